import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Refused } from '../api.ts'
import { Failure } from './Failure.tsx'

export interface ConfirmProps {
  readonly title: string
  /** What the button says. */
  readonly verb: string
  readonly dangerous?: boolean
  /** Asks for a reason; `required`: without one nothing happens. */
  readonly reason?: 'optional' | 'required'
  readonly children: ComponentChildren
  readonly onConfirm: (why: string) => Promise<unknown>
  readonly onClose: () => void
}

/** Asks before something changes. Escape and Cancel change nothing. */
export function Confirm({ title, verb, dangerous, reason, children, onConfirm, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [why, setWhy] = useState('')
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Refused | null>(null)

  useEffect(() => dialog.current?.showModal(), [])

  const confirm = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    try {
      await onConfirm(why)
      onClose()
    } catch (error) {
      setFailure(error as Refused)
      setBusy(false)
    }
  }

  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="confirm-title">
      <form onSubmit={confirm}>
        <h2 id="confirm-title">{title}</h2>
        {children}
        {reason !== undefined && (
          <label>
            Why{reason === 'optional' && ' (optional)'}
            <input
              value={why}
              required={reason === 'required'}
              onInput={(event) => setWhy(event.currentTarget.value)}
            />
          </label>
        )}
        {failure !== null && <Failure failure={failure} />}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={dangerous ? 'danger' : 'primary'} disabled={busy}>
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  )
}
