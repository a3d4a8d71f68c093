// The suite that every transport passes, and what a transport of yours gives it.
export type { ConformanceOptions, Support, TransportFeatures, TransportHarness } from './harness.js'
export { type InspectorHarness, inspectorConformance } from './inspectorConformance.js'
export { transportConformance } from './transportConformance.js'
