import { discardDeadLetters, planReplay, retryDeadLetters } from '@oncebox/ops'
import { Hono } from 'hono'
import { databaseNamed } from './databases.js'
import { deadLetterFilterOf, fieldsOf, messageFilterOf, numberOf, textOf } from './parameters.js'
import { type Env, notAllowed, notFound, type Room } from './room.js'
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

  // A retry and a discard take at most a thousand: the page goes on until nothing is left.
  routes.post('/dead-letters/retry', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const why = textOf(fields, 'why')
    const filter = deadLetterFilterOf(fields)
    const { sessions } = databaseNamed(databases, textOf(fields, 'database'))
    const numbers = await sessions.writing((tx) =>
      retryDeadLetters(tx, { schema, filter, by, ...(why === undefined ? {} : { why }) }),
    )
    logger.info({ by, letters: numbers.length }, 'Dead letters are retried, asked for on the dashboard')
    return context.json({ numbers })
  })

  routes.post('/dead-letters/discard', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const why = textOf(fields, 'why') ?? ''
    const filter = deadLetterFilterOf(fields)
    const { sessions } = databaseNamed(databases, textOf(fields, 'database'))
    const numbers = await sessions.writing((tx) => discardDeadLetters(tx, { schema, filter, by, why }))
    logger.info({ by, letters: numbers.length }, 'Dead letters were discarded on the dashboard')
    return context.json({ numbers })
  })

  routes.post('/replays', async (context) => {
    const fields = await fieldsOf(context.req)
    const by = context.get('visitor').name
    const filter = messageFilterOf(fields, Date.now())
    const plan = await sessions.reading((tx) => planReplay(tx, { schema, filter }))
    const progress = replays.start(plan, by, Math.max(1, numberOf(fields, 'rate') ?? defaultRate))
    logger.info({ by, messages: plan.messages, replay: progress.id }, 'A replay was started on the dashboard')
    return context.json(progress)
  })

  routes.post('/replays/:id/cancel', (context) => {
    const { id } = context.req.param()
    if (!replays.cancel(id)) return notFound(context, 'No such replay is running')
    logger.info({ by: context.get('visitor').name, replay: id }, 'A replay was cancelled on the dashboard')
    return context.json({})
  })

  return routes
}
