import {
  blockedKeys,
  countDeadLetters,
  deadLetterActions,
  doctor,
  groupDeadLetters,
  isKnown,
  listDeadLetters,
  messageBody,
  messageEffects,
  planReplay,
  searchMessages,
  showDeadLetter,
  timeline,
} from '@oncebox/ops'
import { Hono } from 'hono'
import { databaseNamed, everywhere } from './databases.js'
import { deadLetterFilterOf, fieldsOf, given, messageFilterOf, numberOf, textOf } from './parameters.js'
import { type Env, notAllowed, notFound, type Room, rowsLookedAt } from './room.js'

/** So much of a payload is shown. */
const payloadBytes = 65_536

/** Everything that is looked at; nothing here writes. Filters come in a body, because addresses end up in logs. */
export function readRoutes({ settings, sessions, databases, replays }: Room): Hono<Env> {
  const { schema, inspector, retentionMs } = settings
  const routes = new Hono<Env>()

  routes.get('/me', (context) => {
    const { name, mayAct, maySeePayloads } = context.get('visitor')
    return context.json({ name, mayAct, maySeePayloads, schema, brokers: inspector !== null })
  })

  routes.post('/messages/search', async (context) => {
    const fields = await fieldsOf(context.req)
    const page = given({ before: textOf(fields, 'before'), limit: numberOf(fields, 'limit') })
    const filter = messageFilterOf(fields, Date.now())
    return context.json(
      await sessions.reading((tx) => searchMessages(tx, { schema, filter, lookAt: rowsLookedAt, ...page })),
    )
  })

  routes.get('/messages/:id', async (context) => {
    const id = context.req.param('id')
    const lookup = context.req.query('everywhere') === '1' ? { everywhere: true } : { newest: rowsLookedAt }
    const found = await sessions.reading((tx) => timeline(tx, id, { schema, ...lookup }))
    const effects = await everywhere(databases, ({ reading }) => reading((tx) => messageEffects(tx, id, { schema })))
    return context.json({ ...found, effects, known: isKnown(found) || effects.length > 0 })
  })

  routes.get('/bodies/:position', async (context) => {
    if (!context.get('visitor').maySeePayloads) return notAllowed(context, 'see payloads')
    const position = context.req.param('position')
    const body = await sessions.reading((tx) => messageBody(tx, position, { schema, maximumBytes: payloadBytes }))
    return body === null ? notFound(context, 'That message is not in the outbox any more') : context.json(body)
  })

  routes.get('/dead-letter-groups', async (context) =>
    context.json(await everywhere(databases, ({ reading }) => reading((tx) => groupDeadLetters(tx, { schema })))),
  )

  routes.post('/dead-letters/search', async (context) => {
    const fields = await fieldsOf(context.req)
    const filter = deadLetterFilterOf(fields)
    const page = given({ after: textOf(fields, 'after'), limit: numberOf(fields, 'limit') })
    const { sessions } = databaseNamed(databases, textOf(fields, 'database'))
    const letters = await sessions.reading((tx) => listDeadLetters(tx, { schema, filter, ...page }))
    const count = await sessions.reading((tx) => countDeadLetters(tx, { schema, filter }))
    return context.json({ letters, count })
  })

  routes.get('/dead-letters/:number', async (context) => {
    const number = context.req.param('number')
    const { sessions } = databaseNamed(databases, context.req.query('database'))
    const actions = await sessions.reading((tx) => deadLetterActions(tx, number, { schema }))
    const letter = await sessions.reading(async (tx) => {
      if (context.get('visitor').maySeePayloads) return showDeadLetter(tx, number, { schema })
      return (await listDeadLetters(tx, { schema, filter: { numbers: [number] }, limit: 1 }))[0] ?? null
    })
    return context.json({ letter, actions })
  })

  routes.get('/blocked-keys', async (context) => {
    const keys = context.get('visitor').maySeePayloads
    const found = await everywhere(databases, ({ reading }) =>
      reading(async (tx) => [await blockedKeys(tx, { schema, keys })]),
    )
    return context.json({
      relay: found[0]?.relay ?? [],
      consumers: found.flatMap(({ consumers, database }) => consumers.map((key) => ({ ...key, database }))),
      more: found.some(({ more }) => more),
    })
  })

  routes.get('/doctor', async (context) => {
    const limits = retentionMs === undefined ? {} : { limits: { retentionMs } }
    const brokers = inspector === null ? {} : { inspector }
    const reports = databases.map(async ({ name, sessions }) => {
      const scope = name === '' ? 'all' : 'consumer'
      const found = await sessions.bare((tx) => doctor(tx, { schema, scope, ...brokers, ...limits }))
      return found.map((report) => ({ ...report, database: name }))
    })
    return context.json((await Promise.all(reports)).flat())
  })

  routes.get('/replays', (context) => context.json(replays.list()))

  routes.post('/replays/plan', async (context) => {
    const filter = messageFilterOf(await fieldsOf(context.req), Date.now())
    return context.json(await sessions.reading((tx) => planReplay(tx, { schema, filter, lookAt: rowsLookedAt })))
  })

  return routes
}
