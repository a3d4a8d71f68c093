/**
 * How many messages a transaction may hold now. Conflicts (serialization failures, deadlocks) halve it: on hot rows
 * small transactions are a hundred times faster than large ones. It grows by half after `patience` commits in a row,
 * and every conflict makes it more patient, so that a row that stays hot is not met again and again.
 */
export interface BatchSize {
  readonly messages: number
  readonly commits: number
  readonly patience: number
}

const shortestPatience = 8
const longestPatience = 1024

export function fullSize(limit: number): BatchSize {
  return { messages: limit, commits: 0, patience: shortestPatience }
}

/** After a conflict in a transaction of `tried` messages. Pure. */
export function afterConflict(size: BatchSize, tried: number): BatchSize {
  return {
    messages: Math.max(1, Math.floor(Math.min(size.messages, tried) / 2)),
    commits: 0,
    patience: Math.min(longestPatience, size.patience * 2),
  }
}

/** After a commit. Pure. */
export function afterCommit(size: BatchSize, limit: number): BatchSize {
  if (size.messages >= limit) return size.patience === shortestPatience ? size : fullSize(limit)
  if (size.commits + 1 < size.patience) return { ...size, commits: size.commits + 1 }
  return {
    messages: Math.min(limit, size.messages + Math.max(1, Math.floor(size.messages / 2))),
    commits: 0,
    patience: Math.max(shortestPatience, Math.floor(size.patience / 2)),
  }
}
