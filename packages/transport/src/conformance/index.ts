export type { ConformanceOptions, Support, TransportFeatures, TransportHarness } from './harness.js'
export { type InspectorHarness, inspectorConformance } from './inspectorConformance.js'
export { transportConformance } from './transportConformance.js'
