import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'

/** Runs `work`, and with a `file` writes there the CPU profile of this process while it ran: V8's .cpuprofile as JSON. */
export async function profiled<T>(file: string | undefined, work: () => Promise<T>): Promise<T> {
  if (file === undefined) return work()
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  const result = await work()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  await writeFile(file, JSON.stringify(profile))
  return result
}
