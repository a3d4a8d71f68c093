import { readFileSync } from 'node:fs'
import { platform } from 'node:os'

/** Why nothing is known here of what the kernel asks; undefined where it is. */
export function keepAliveUnknown(): string | undefined {
  return platform() === 'linux' ? undefined : 'the system does not tell'
}

/**
 * Of each TCP connection over IPv4 whose end `end` has the port `port`: milliseconds until the kernel asks the other end
 * whether it is there; null when it never does, or has something else on its way (proc(5), `net/tcp`).
 */
export function keepAliveAsksInMs(end: 'local' | 'remote', port: number): (number | null)[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => state === established && (end === 'local' ? local : remote)?.endsWith(wanted))
    .map(([, , , , , timer]) => {
      const [kind, ticks = ''] = timer?.split(':') ?? []
      return kind === keepAliveTimer ? Number.parseInt(ticks, 16) * 10 : null
    })
}

const established = '01'
const keepAliveTimer = '02'
