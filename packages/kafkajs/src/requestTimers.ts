import { createRequire } from 'node:module'

interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

/**
 * kafkajs 2.2.4 arms a timer after every response, with nothing pending too, whose delay is minus the present time.
 * Node makes that 1 ms, warns of it (TimeoutNegativeWarning), and the timer arms itself again: a thousand wake-ups a
 * second for each connection, for ever. kafkajs is not maintained, so the method is replaced: a timer only while
 * something is pending, with the delay it was meant to have.
 */
export function mendRequestTimers(): void {
  const require = createRequire(import.meta.url)
  const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue }
  prototype.scheduleCheckPendingRequests = scheduleCheckPendingRequests
}

const checkIntervalMs = 10

function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return
  const delayMs = Math.max(this.throttledUntil - Date.now(), checkIntervalMs)
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null
    this.checkPendingRequests()
  }, delayMs)
}
