import { defineCheck } from '../check.js'

export const kafka = defineCheck({
  name: 'Kafka answers',
  needs: ['kafkaTrouble'],
  why: 'Nothing is published and nothing consumed until it does; messages wait in the outbox.',
  judge({ kafkaTrouble }) {
    if (kafkaTrouble === null) return []
    const what = `The brokers cannot be asked: ${kafkaTrouble}`
    return [
      {
        code: 'KAFKA_UNREACHABLE',
        what,
        next: 'Mend brokers, addresses, TLS or SASL settings; then run doctor again.',
      },
    ]
  },
})
