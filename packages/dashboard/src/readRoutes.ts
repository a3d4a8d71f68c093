import {
  blockedKeys,
  countDeadLetters,
  deadLetterActions,
  doctor,
  groupDeadLetters,
  isKnown,
  listDeadLetters,
  messageBody,
  planReplay,
  searchMessages,
  showDeadLetter,
  timeline,
} from '@oncebox/ops'
import { Hono } from 'hono'
import { deadLetterFilterOf, fieldsOf, given, messageFilterOf, numberOf, textOf } from './parameters.js'
import { type Env, notAllowed, notFound, type Room } from './room.js'

/** So much of a payload is shown. */
const payloadBytes = 65_536

/** Everything that is looked at; nothing here writes. Filters come in a body, because addresses end up in logs. */
export function readRoutes({ settings, sessions, replays }: Room): Hono<Env> {
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
    return context.json(await sessions.reading((tx) => searchMessages(tx, { schema, filter, ...page })))
  })

  routes.get('/messages/:id', async (context) => {
    const everywhere = context.req.query('everywhere') === '1'
    const found = await sessions.reading((tx) => timeline(tx, context.req.param('id'), { schema, everywhere }))
    return context.json({ ...found, known: isKnown(found) })
  })

  routes.get('/bodies/:position', async (context) => {
    if (!context.get('visitor').maySeePayloads) return notAllowed(context, 'see payloads')
    const position = context.req.param('position')
    const body = await sessions.reading((tx) => messageBody(tx, position, { schema, maximumBytes: payloadBytes }))
    return body === null ? notFound(context, 'That message is not in the outbox any more') : context.json(body)
  })

  routes.get('/dead-letter-groups', async (context) =>
    context.json(await sessions.reading((tx) => groupDeadLetters(tx, { schema }))),
  )

  routes.post('/dead-letters/search', async (context) => {
    const fields = await fieldsOf(context.req)
    const filter = deadLetterFilterOf(fields)
    const page = given({ after: textOf(fields, 'after'), limit: numberOf(fields, 'limit') })
    const letters = await sessions.reading((tx) => listDeadLetters(tx, { schema, filter, ...page }))
    const count = await sessions.reading((tx) => countDeadLetters(tx, { schema, filter }))
    return context.json({ letters, count })
  })

  routes.get('/dead-letters/:number', async (context) => {
    const number = context.req.param('number')
    const actions = await sessions.reading((tx) => deadLetterActions(tx, number, { schema }))
    const letter = await sessions.reading(async (tx) => {
      if (context.get('visitor').maySeePayloads) return showDeadLetter(tx, number, { schema })
      return (await listDeadLetters(tx, { schema, filter: { numbers: [number] }, limit: 1 }))[0] ?? null
    })
    return context.json({ letter, actions })
  })

  routes.get('/blocked-keys', async (context) =>
    context.json(await sessions.reading((tx) => blockedKeys(tx, { schema }))),
  )

  routes.get('/doctor', async (context) => {
    const limits = retentionMs === undefined ? {} : { limits: { retentionMs } }
    const brokers = inspector === null ? {} : { inspector }
    return context.json(await sessions.bare((tx) => doctor(tx, { schema, ...brokers, ...limits })))
  })

  routes.get('/replays', (context) => context.json(replays.list()))

  routes.post('/replays/plan', async (context) => {
    const filter = messageFilterOf(await fieldsOf(context.req), Date.now())
    return context.json(await sessions.reading((tx) => planReplay(tx, { schema, filter })))
  })

  return routes
}
