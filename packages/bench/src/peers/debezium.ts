import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installConnect, peerFile } from './installPeer.js'
import { fillPeer, keySql, type Peer, payloadSql } from './peer.js'

const name = 'bench_debezium'
const dropSlot = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}'`

/**
 * Debezium's outbox event router on Kafka Connect standalone, with the batch, queue, poll and producer settings that made
 * it fastest here. Slot and publication are there before the backlog, as they are in production.
 */
export function debeziumTuned(): Peer {
  return {
    topicOf: (topic) => topic,
    async prepare(pool, messages) {
      await pool.query(dropSlot)
      await pool.query(`
        DROP PUBLICATION IF EXISTS ${name};
        DROP TABLE IF EXISTS outbox_debezium;
        CREATE TABLE outbox_debezium (
          id uuid PRIMARY KEY, aggregatetype varchar(255) NOT NULL, aggregateid varchar(255) NOT NULL,
          type varchar(255) NOT NULL, payload jsonb NOT NULL
        );
        CREATE PUBLICATION ${name} FOR TABLE outbox_debezium`)
      await pool.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
      const insert = `INSERT INTO outbox_debezium (id, aggregatetype, aggregateid, type, payload)
        SELECT gen_random_uuid(), 'order', ${keySql}, 'order.created', (${payloadSql})::jsonb`
      await fillPeer(pool, 'outbox_debezium', insert, messages)
    },
    async command({ postgres, kafka }, topic, directory) {
      const classpath = await installConnect()
      const worker = join(directory, 'worker.properties')
      const connector = join(directory, 'connector.properties')
      await writeFile(worker, properties(workerSettings(kafka.brokers, directory)))
      await writeFile(connector, properties(connectorSettings(postgres.port, topic)))
      const jvm = ['-Xms256M', '-Xmx2G', '-XX:+UseG1GC']
      const log = `-Dlog4j2.configurationFile=${peerFile('connect', 'log4j2.properties')}`
      const main = 'org.apache.kafka.connect.cli.ConnectStandalone'
      return { program: 'java', args: [...jvm, log, '-cp', classpath, main, worker, connector] }
    },
    async cleanUp(pool) {
      await pool.query(dropSlot)
    },
  }
}

function workerSettings(brokers: readonly string[], directory: string): Record<string, string | number> {
  return {
    'bootstrap.servers': brokers.join(','),
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'offset.storage.file.filename': join(directory, 'offsets'),
    // Any free port: nobody asks it anything.
    listeners: 'HTTP://127.0.0.1:0',
    'producer.linger.ms': 5,
    'producer.batch.size': 262_144,
    'producer.buffer.memory': 67_108_864,
  }
}

function connectorSettings(port: number, topic: string): Record<string, string | number> {
  return {
    name: 'outbox',
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': 1,
    'database.hostname': '127.0.0.1',
    'database.port': port,
    'database.user': 'postgres',
    'database.dbname': 'postgres',
    'topic.prefix': 'bench',
    'plugin.name': 'pgoutput',
    'slot.name': name,
    'publication.name': name,
    'publication.autocreate.mode': 'disabled',
    'table.include.list': 'public.outbox_debezium',
    'snapshot.mode': 'no_data',
    'tombstones.on.delete': 'false',
    transforms: 'outbox',
    'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
    'transforms.outbox.route.topic.replacement': topic,
    'max.batch.size': 8_192,
    'max.queue.size': 32_768,
    'poll.interval.ms': 10,
  }
}

function properties(settings: Readonly<Record<string, string | number>>): string {
  return `${Object.entries(settings)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`
}
