import { OnceboxError } from '@oncebox/core'

/** What @platformatic/kafka needs; higher than the floor of the other packages. */
const floor = [22, 22] as const

/** @throws OnceboxError `INVALID_SETTING` where Node.js is older than this package's client library allows. */
export function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > floor[0] || (major === floor[0] && minor >= floor[1])) return
  throw new OnceboxError('INVALID_SETTING', `@oncebox/kafka needs Node.js ${floor.join('.')}, this is ${version}`, {
    next: 'Update Node.js, or use kafkajs (@oncebox/kafkajs, --transport kafkajs).',
  })
}
