/** How many jobs to claim next: as many as the limits allow by the mean size of the jobs seen so far. */
export interface FetchSize {
  next(): number
  /** Tells the size of what was fetched: jobs, and bytes of their values. */
  saw(jobs: number, bytes: number): void
}

/** pg-boss counts jobs and cannot stop at a number of bytes, so the first fetch is small and the mean does the rest. */
export function fetchSize(limits: { readonly maxRecords: number; readonly maxBytes: number }): FetchSize {
  const firstFetch = 50
  let mean: number | undefined
  return {
    next() {
      if (mean === undefined) return Math.min(firstFetch, limits.maxRecords)
      return Math.max(1, Math.min(limits.maxRecords, Math.floor(limits.maxBytes / Math.max(1, mean))))
    },
    saw(jobs, bytes) {
      if (jobs === 0) return
      const latest = bytes / jobs
      // Up at once, down slowly: too many large values at a time is what must not happen.
      mean = mean === undefined || latest > mean ? latest : mean * 0.8 + latest * 0.2
    },
  }
}
