import { type MessageContracts, OnceboxError, validateData } from '@oncebox/core'
import type { EmitOptions, OutgoingMessage } from './outgoingMessage.js'

/**
 * The long form of a contract's message: validated, with the contract's topic and key.
 *
 * @throws OnceboxError `UNKNOWN_MESSAGE_TYPE`, `SCHEMA_MISMATCH`, `INVALID_SETTING` for a schema that answers later.
 */
export function applyContract(
  contracts: MessageContracts,
  message: EmitOptions & { readonly type: string; readonly data: unknown },
): OutgoingMessage {
  const contract = Object.hasOwn(contracts, message.type) ? contracts[message.type] : undefined
  if (contract === undefined) {
    throw new OnceboxError('UNKNOWN_MESSAGE_TYPE', `No contract for message type ${JSON.stringify(message.type)}`, {
      next: 'Add it to defineMessages, or emit it in the long form with a topic; nothing was written.',
    })
  }
  const data = validateData(message.type, contract.schema, message.data)
  const key = message.key === undefined ? (contract.key?.(data) ?? null) : message.key
  return { ...message, topic: contract.topic, data, key }
}
