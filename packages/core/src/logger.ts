/**
 * What the library logs to; a pino logger fits as it is. Fields never hold a payload, a key, a header value or a
 * connection string.
 */
export interface Logger {
  /** Steps, for whoever looks for a fault. */
  debug(fields: object, message: string): void
  /** What is worth a line in normal life. */
  info(fields: object, message: string): void
  /** Something failed and is tried again, or waits. */
  warn(fields: object, message: string): void
  /** Something failed that does not mend itself. */
  error(fields: object, message: string): void
}

/** Logs nothing: the default of every part that takes a logger. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}
