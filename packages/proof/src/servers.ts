/** Where a part of the proof has its databases and topics. */
export interface Servers {
  readonly brokers: readonly string[]
  createDatabase(): Promise<string>
  dropDatabase(url: string): Promise<void>
  /** The way on which the parts of the system reach such a database: through a proxy, where there is one. */
  wired(url: string): string
}
