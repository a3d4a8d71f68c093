import type { ConsumerLag, ConsumerStatus } from '@oncebox/ops'
import type { Placed } from '../../src/picture.js'
import { useLive } from '../live.ts'
import { Badge } from '../parts/Badge.tsx'
import { Scroll } from '../parts/Scroll.tsx'
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
      {overview !== null && overview.lag === null && (
        <p class="soft">What lies unread in Kafka is not known: the brokers were not named, or do not answer.</p>
      )}
    </>
  )
}

function Group(props: { group: Placed<ConsumerStatus>; lag: readonly ConsumerLag[]; perSecond: number | null }) {
  const { group, lag, perSecond } = props
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
      <Scroll label={`Partitions of ${group.group}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Topic</th>
              <th scope="col" class="number">
                Partition
              </th>
              <th scope="col" class="number">
                Next offset
              </th>
              <th scope="col" class="number">
                Unread
              </th>
              <th scope="col" class="number">
                For
              </th>
              <th scope="col" class="number">
                Dead letters
              </th>
            </tr>
          </thead>
          <tbody>
            {group.partitions.map(({ topic, partition, nextOffset, deadLetters }) => {
              const own = lag.find((one) => one.topic === topic && one.partition === partition)
              return (
                <tr key={`${topic} ${partition}`}>
                  <td>{topic}</td>
                  <td class="number">{partition}</td>
                  <td class="number">{nextOffset ?? '–'}</td>
                  <td class="number">{own?.messages == null ? '–' : count(own.messages)}</td>
                  <td class="number">{own?.seconds == null ? '–' : duration(own.seconds)}</td>
                  <td class="number">{deadLetters === 0 ? '–' : count(deadLetters)}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </Scroll>
    </section>
  )
}
