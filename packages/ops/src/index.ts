export { type BlockedKey, type BlockedKeys, blockedKeys } from './blockedKeys.js'
export type { ConsumerStatus, PartitionStatus } from './consumers.js'
export type { ActOptions } from './deadLetterActions.js'
export { discardDeadLetters, retryDeadLetters } from './deadLetterActions.js'
export type { DeadLetterFilter } from './deadLetterFilter.js'
export { type DeadLetterGroup, groupDeadLetters } from './deadLetterGroups.js'
export type { DeadLetterAction, DeadLetterDetails, DeadLetterSummary, ListOptions } from './deadLetters.js'
export { countDeadLetters, deadLetterActions, listDeadLetters, showDeadLetter } from './deadLetters.js'
export type { Finding } from './doctor/check.js'
export { type CheckReport, type DoctorOptions, doctor } from './doctor/doctor.js'
export type { Limits } from './doctor/facts.js'
export { type FlowCounters, type FlowOptions, type FlowRates, flowRates, readFlow } from './flow.js'
export type { GroupBehind } from './groupsBehind.js'
export { readGroupsBehind } from './groupsBehind.js'
export {
  type ConsumerReadiness,
  type ConsumerReadinessOptions,
  consumerReadiness,
} from './health/consumerReadiness.js'
export { databaseReadiness } from './health/databaseReadiness.js'
export { type Operations, type OperationsOptions, operations } from './health/operations.js'
export type { ReadinessCheck } from './health/readiness.js'
export { type RelayReadiness, type RelayReadinessOptions, relayReadiness } from './health/relayReadiness.js'
export { type ConsumerLag, type ConsumerLagOptions, consumerLag, type LaneLag, laneLag } from './lag.js'
export type { LaneStatus } from './lanes.js'
export type { LeafStatus } from './leaves.js'
export { type MessageBody, messageBody } from './messageBody.js'
export type { MessageEffect } from './messageEffects.js'
export type { MessagePublication } from './messagePublications.js'
export type { MessageWrite } from './messageWrites.js'
export type { DatabaseOptions } from './metrics/databaseReading.js'
export type { Metric } from './metrics/metric.js'
export { metrics } from './metrics/metricList.js'
export type { Metrics } from './metrics/metrics.js'
export type { ParkedGroup } from './parked.js'
export {
  type Pause,
  type PauseOptions,
  type PauseTarget,
  pausePublishing,
  readPauses,
  resumePublishing,
} from './pauses.js'
export { type PinnedTopic, readPinnedTopics } from './pinnedTopics.js'
export { type Problem, type ProblemCode, problemCodes } from './problems.js'
export { type Publication, publicationsOf } from './publications.js'
export type { Discrepancy, Place, PublishedRecord } from './reconcile.js'
export { planRepin, type Repinned, type RepinOptions, type RepinPlan, repinObstacle, repinTopic } from './repin.js'
export {
  type PlannedReplay,
  planReplay,
  type ReplayFilter,
  type ReplayPlan,
  type ReplayStep,
  replayStep,
} from './replay.js'
export {
  type AskStep,
  beginReplayRun,
  type ReplayRun,
  replayRunStep,
  replayRuns,
} from './replayRun.js'
export {
  type FoundMessage,
  type FoundPage,
  type MessageFilter,
  type SearchOptions,
  searchMessages,
} from './searchMessages.js'
export { type Status, type StatusOptions, status } from './status.js'
export { type TailCursor, type TailOptions, type TailPage, tail } from './tail.js'
export type { TailFilter } from './tailFilter.js'
export { type PublishedCursor, type PublishedMessage, type PublishedPage, tailPublished } from './tailPublished.js'
export type { TailMessage } from './tailRows.js'
export { isKnown, messageEffects, type Timeline, type TimelineOptions, timeline } from './timeline.js'
export { type Verified, type VerifyOptions, verify } from './verify.js'
