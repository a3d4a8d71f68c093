import type { Logger } from '@oncebox/core'

/**
 * Waits for `close`, at most `ms`. A connection that hangs, or that fails while it is closed, must neither keep a
 * command that has done its work, nor hide how the work ended: both are logged.
 */
export async function closeWithin(ms: number, what: string, close: () => Promise<void>, logger: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms)
  })
  try {
    if ((await Promise.race([close(), late])) === 'late') logger.warn({ ms }, `${what} could not be closed in time`)
  } catch (error) {
    logger.warn({ error }, `${what} could not be closed`)
  } finally {
    clearTimeout(timer)
  }
}
