import { fromPg } from '@oncebox/core/pg'
import { isKnown, timeline } from '@oncebox/ops'
import { eachDatabase } from '../command/databases.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import { describeMessage } from './describeMessage.js'

export interface ShowFlags extends CommonFlags, DatabaseFlags, ConsumerFlags {
  readonly everywhere?: boolean
}

/** `oncebox show ID`: the way of one message through every database that is named. One that nobody knows is exit 1. */
export async function show(id: string, flags: ShowFlags, { output, logger }: Console): Promise<ExitCode> {
  const { schema, everywhere = false } = flags
  const databases = await eachDatabase(flags, 'show', async ({ name, client }) => ({
    database: name,
    ...(await timeline(fromPg(client), id, { schema, everywhere })),
  }))
  if (!databases.some(isKnown)) {
    logger.error(
      {
        next: 'Groups with a database of their own: --consumer-url. Another producer: --database-url. Another schema: --schema.',
      },
      `Nobody here knows the message ${id}: it never was, or is past its retention`,
    )
    return exitCode.problem
  }
  output.write({ id, databases }, () => describeMessage(id, databases))
  return exitCode.fine
}
