/** What a verb's exit code says to a script (contract). */
export const exitCode = {
  /** Done, nothing to report. */
  fine: 0,
  /** Ran, and found a problem: pending migrations, a topic that is held, a failure on the way. */
  problem: 1,
  /** The command line or the environment is at fault; nothing was done. */
  usage: 2,
  /** The database or the brokers cannot be reached. */
  unreachable: 3,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]
