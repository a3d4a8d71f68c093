/** What one run of one arm came to. An arm is a process of its own, so that CPU and memory are its alone. */
export interface ArmResult {
  readonly messages: number
  readonly seconds: number
  /** User and system time of the arm's process, microseconds a message. */
  readonly cpuUsPerMessage: number
  /** Largest resident set of the arm's process, MB of 1,000,000 bytes. */
  readonly rssMb: number
}

/** Measures `work`, which resolves to how many messages it moved, and prints the result as one line of JSON. */
export async function measure(work: () => Promise<number>): Promise<void> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const messages = await work()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const result: ArmResult = {
    messages,
    seconds,
    cpuUsPerMessage: (user + system) / messages,
    rssMb: (process.resourceUsage().maxRSS * 1_024) / 1e6,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
