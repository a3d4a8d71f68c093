/** The environment variables that verbs read. */
const settings = /^(DATABASE_URL|KAFKA_[A-Z_]+|ONCEBOX_[A-Z_]+)$/

/** Removes settings that are there but empty, so that `KAFKA_BROKERS=` means: not set. */
export function forgetEmptySettings(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    if (settings.test(name) && value === '') delete environment[name]
  }
}
