import type { ConsumerLag, ConsumerStatus } from '@oncebox/ops'
import type { Placed } from '../../src/picture.js'
import { useLive } from '../live.ts'
import { Badge } from '../parts/Badge.tsx'
import { type Column, Table } from '../parts/Table.tsx'
import { linkTo } from '../route.ts'
import { count, duration, plural, rate } from '../words.ts'

export function Consumers() {
  const { overview } = useLive()
  const groups = overview?.consumers ?? []
  return (
    <>
      <h1>Consumers</h1>
      {overview !== null && groups.length === 0 && <p>No group has handled anything in this database.</p>}
      {groups.map((group) => (
        <Group
          key={`${group.database} ${group.group}`}
          group={group}
          lag={overview?.lag?.filter((one) => one.group === group.group) ?? []}
          perSecond={overview?.rates?.handled[group.group] ?? null}
        />
      ))}
      {overview !== null && overview.lag === null && groups.some(({ partitions }) => partitions.length > 0) && (
        <p class="soft">What lies unread in Kafka is not known: the brokers were not named, or do not answer.</p>
      )}
    </>
  )
}

type Partition = ConsumerStatus['partitions'][number]

function Group(props: { group: Placed<ConsumerStatus>; lag: readonly ConsumerLag[]; perSecond: number | null }) {
  const { group, lag, perSecond } = props
  const lagOf = ({ topic, partition }: Partition) =>
    lag.find((one) => one.topic === topic && one.partition === partition)
  const columns: readonly Column<Partition>[] = [
    { name: 'Topic', cell: ({ topic }) => topic },
    { name: 'Partition', kind: 'number', cell: ({ partition }) => partition },
    { name: 'Next offset', kind: 'number', cell: ({ nextOffset }) => nextOffset ?? '–' },
    {
      name: 'Unread',
      kind: 'number',
      cell: (one) => {
        const messages = lagOf(one)?.messages
        return messages == null ? '–' : count(messages)
      },
    },
    {
      name: 'For',
      kind: 'number',
      cell: (one) => {
        const seconds = lagOf(one)?.seconds
        return seconds == null ? '–' : duration(seconds)
      },
    },
    { name: 'Dead letters', kind: 'number', cell: ({ deadLetters }) => (deadLetters === 0 ? '–' : count(deadLetters)) },
  ]
  return (
    <section aria-label={`Group ${group.group}`}>
      <h2>
        {group.group} {group.database !== '' && <span class="soft">in {group.database}</span>}
      </h2>
      <p>
        {perSecond !== null && `${rate(perSecond)} handled. `}
        {group.failing > 0 && <Badge tone="bad">{plural(group.failing, 'message')} failing</Badge>}{' '}
        {group.deadLetters > 0 && (
          <a href={linkTo('dead-letters', '', { group: group.group, database: group.database })}>
            {plural(group.deadLetters, 'dead letter')}
          </a>
        )}
      </p>
      {group.partitions.length === 0 ? (
        <p class="soft">No offset of it is known: its transport has none, or it has read nothing yet.</p>
      ) : (
        <Table
          label={`Partitions of ${group.group}`}
          columns={columns}
          rows={group.partitions}
          keyOf={({ topic, partition }) => `${topic} ${partition}`}
        />
      )}
    </section>
  )
}
