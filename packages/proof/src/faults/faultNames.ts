import { faults } from './faults.js'

/** What the report and the documents call the faults, in the order in which they come. */
export const faultNames: readonly string[] = faults.map(({ name }) => name)
