export type { ConformanceOptions, Support, TransportFeatures, TransportHarness } from './harness.js'
export { transportConformance } from './transportConformance.js'
