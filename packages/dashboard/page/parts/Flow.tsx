import type { ComponentChildren } from 'preact'
import type { Overview } from '../../src/picture.js'
import { linkTo } from '../route.ts'
import { count, duration, milliseconds, plural, rate } from '../words.ts'
import { flowOf, type Node } from './flowOf.ts'

/** The way of messages as it is now, from the services' transactions to the effects. */
export function Flow({ overview }: { overview: Overview }) {
  const { outbox, relay, brokers, consumers } = flowOf(overview)
  const { rates, flow, leaves } = overview
  const { p50Ms, p99Ms } = flow.published
  const handled = rates?.effects ?? null
  const remembered = leaves.filter(({ ring }) => ring === 'inbox').reduce((sum, { rows }) => sum + rows, 0)
  return (
    <ol class="flow" aria-label="The way of messages, from the services to the effects">
      <Stop title="Services">
        <p>write rows and messages in one transaction</p>
      </Stop>
      <Arrow title="written" lines={[rates === null ? '…' : rate(rates.written)]} />
      <Stop title="Outbox" node={outbox} link={linkTo('messages')}>
        <Big value={`${outbox.exact ? '' : '≈ '}${count(outbox.waiting)}`} label="waiting" />
        <p>{outbox.oldestSeconds === null ? 'nothing waits' : `the oldest for ${duration(outbox.oldestSeconds)}`}</p>
      </Stop>
      <Arrow
        title="published"
        lines={[rate(flow.published.messages / flow.published.windowSeconds), ...delays(p50Ms, p99Ms)]}
      />
      <Stop title="Relay" node={relay} link={linkTo('storage')}>
        <Big value={`${relay.held} of ${relay.lanes}`} label={relay.lanes === 1 ? 'lane held' : 'lanes held'} />
        <p>{relay.parked === 0 ? 'nothing is parked' : `${plural(relay.parked, 'message')} parked`}</p>
      </Stop>
      <Arrow
        title={brokers.known ? 'Kafka' : 'transport'}
        lines={[brokers.known ? `${count(brokers.lag)} unread` : 'not asked']}
        stuck={brokers.stuck}
      />
      <Stop title="Consumers" node={consumers} link={linkTo('consumers')}>
        <Big value={count(consumers.groups)} label={consumers.groups === 1 ? 'group' : 'groups'} />
        <p>
          {consumers.deadLetters === 0 ? 'no dead letters' : plural(consumers.deadLetters, 'dead letter')}
          {consumers.failing > 0 && `, ${count(consumers.failing)} failing`}
        </p>
      </Stop>
      <Arrow title="handled" lines={[handled === null ? '…' : rate(handled)]} />
      <Stop title="Effects">
        <Big value={`≈ ${count(remembered)}`} label="remembered ids" />
        <p>once for each, whatever comes twice</p>
      </Stop>
    </ol>
  )
}

function delays(p50Ms: number | null, p99Ms: number | null): string[] {
  return p50Ms === null || p99Ms === null ? [] : [`p50 ${milliseconds(p50Ms)}`, `p99 ${milliseconds(p99Ms)}`]
}

function Stop(props: { title: string; node?: Node; link?: string; children: ComponentChildren }) {
  const { title, node, link, children } = props
  const stuck = node?.stuck ?? false
  return (
    <li class={`stop${stuck ? ' stuck' : ''}`}>
      <h2>{link === undefined ? title : <a href={link}>{title}</a>}</h2>
      {children}
      {stuck && <p class="why">{node?.why}</p>}
    </li>
  )
}

function Arrow({ title, lines, stuck = false }: { title: string; lines: string[]; stuck?: boolean }) {
  return (
    <li class={`arrow${stuck ? ' stuck' : ''}`}>
      <span class="title">{title}</span>
      {lines.map((line) => (
        <span key={line}>{line}</span>
      ))}
      <svg viewBox="0 0 64 10" aria-hidden="true">
        <path d="M0 5h58M53 1l6 4-6 4" />
      </svg>
    </li>
  )
}

function Big({ value, label }: { value: string; label: string }) {
  return (
    <p class="big">
      <strong>{value}</strong>
      {label}
    </p>
  )
}
