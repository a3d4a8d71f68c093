import { localIds } from '@oncebox/core'
import {
  beginReplayRun,
  discardDeadLetters,
  type PlannedReplay,
  pausePublishing,
  planReplay,
  resumePublishing,
  retryDeadLetters,
} from '@oncebox/ops'
import { Hono } from 'hono'
import { databaseNamed } from './databases.js'
import {
  deadLetterFilterOf,
  type Fields,
  fieldsOf,
  given,
  messageFilterOf,
  numberOf,
  pauseTargetOf,
  textOf,
} from './parameters.js'
import { handlingAgain, publishingAgain, type Replaying } from './replaying.js'
import { type Env, notAllowed, notFound, type Room, rowsLookedAt } from './room.js'
import { fromOwnPage } from './safety.js'

const defaultRate = 1_000

/** Everything that changes something: for those who may, from the page itself, and kept with who and why. */
export function actionRoutes({ settings, sessions, databases, replays }: Room): Hono<Env> {
  const { schema, logger } = settings
  const routes = new Hono<Env>()

  routes.use(async (context, next) => {
    if (!context.get('visitor').mayAct) return notAllowed(context, 'act')
    if (!fromOwnPage(context.req.raw.headers, context.req.url)) return notAllowed(context, 'act from another page')
    return next()
  })

  // A retry and a discard take at most a thousand: the page goes on after the last of them until nothing is left.
  routes.post('/dead-letters/retry', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const page = given({ why: textOf(fields, 'why'), after: textOf(fields, 'after') })
    const filter = deadLetterFilterOf(fields)
    const { sessions } = databaseNamed(databases, textOf(fields, 'database'))
    const numbers = await sessions.writing((tx) => retryDeadLetters(tx, { schema, filter, by, ...page }))
    logger.info({ by, letters: numbers.length }, 'Dead letters are retried, asked for on the dashboard')
    return context.json({ numbers })
  })

  routes.post('/dead-letters/discard', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const why = textOf(fields, 'why') ?? ''
    const page = given({ after: textOf(fields, 'after') })
    const filter = deadLetterFilterOf(fields)
    const { sessions } = databaseNamed(databases, textOf(fields, 'database'))
    const numbers = await sessions.writing((tx) => discardDeadLetters(tx, { schema, filter, by, why, ...page }))
    logger.info({ by, letters: numbers.length }, 'Dead letters were discarded on the dashboard')
    return context.json({ numbers })
  })

  // What is paused already, or is not paused, stays as it is: said twice, it is done once.
  for (const [path, decide] of [
    ['/pauses', pausePublishing],
    ['/pauses/resume', resumePublishing],
  ] as const) {
    routes.post(path, async (context) => {
      const fields = await fieldsOf(context.req)
      const by = context.get('visitor').name
      const targets = [pauseTargetOf(fields)]
      const why = given({ why: textOf(fields, 'why') })
      const changed = await sessions.writing((tx) => decide(tx, { schema, targets, by, ...why }))
      logger.info(
        { by, changed: changed.length },
        `Publishing was ${path === '/pauses' ? 'paused' : 'resumed'} on the dashboard`,
      )
      return context.json({ changed })
    })
  }

  routes.post('/replays', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const group = textOf(fields, 'group') ?? null
    const rate = Math.max(1, numberOf(fields, 'rate') ?? defaultRate)
    const filter = messageFilterOf(fields, Date.now())
    const plan = await sessions.reading((tx) => planReplay(tx, { schema, filter, lookAt: rowsLookedAt }))
    const replaying = group === null ? publishingAgain(sessions, plan) : await beginAgain(group, plan, by, fields)
    const { exact, estimate } = plan
    const progress = replays.start({ by, group, messages: estimate, exact }, replaying, rate)
    logger.info({ by, group, messages: estimate, replay: progress.id }, 'A replay was started on the dashboard')
    return context.json(progress)
  })

  routes.post('/replays/:id/cancel', (context) => {
    const { id } = context.req.param()
    if (!replays.cancel(id)) return notFound(context, 'No such replay is running')
    logger.info({ by: context.get('visitor').name, replay: id }, 'A replay was cancelled on the dashboard')
    return context.json({})
  })

  /** The run is kept in the group's own database, with who asked for it and why, before anything is asked for. */
  async function beginAgain(group: string, plan: PlannedReplay, by: string, fields: Fields): Promise<Replaying> {
    const target = databaseNamed(databases, textOf(fields, 'database')).sessions
    const run = localIds.next()
    const why = textOf(fields, 'why') ?? ''
    const counted = { ...plan, messages: plan.estimate }
    await target.writing((tx) => beginReplayRun(tx, { schema, run, group, plan: counted, by, why }))
    return handlingAgain(sessions, target, run, schema)
  }

  return routes
}
