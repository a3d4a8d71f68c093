-- A help desk. Its tickets are written by whoever knows SQL: psql, a Java service, a nightly job.
-- Whatever they do, the messages are written with it, in the same transaction.

CREATE TABLE ticket (
  id     text PRIMARY KEY,
  title  text NOT NULL,
  status text NOT NULL DEFAULT 'open'
);

CREATE FUNCTION ticket_emits() RETURNS trigger
  LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM oncebox.emit(
    topic   => 'tickets',
    -- The messages of one ticket stay in order: the trigger fires while its row is locked.
    key     => NEW.id,
    type    => CASE TG_OP WHEN 'INSERT' THEN 'ticket.opened' ELSE 'ticket.' || NEW.status END,
    payload => to_jsonb(NEW),
    headers => jsonb_build_object('by', current_setting('desk.agent', true)),
    source  => 'help-desk'
  );
  RETURN NULL;
END
$$;

CREATE TRIGGER ticket_opened AFTER INSERT ON ticket
  FOR EACH ROW EXECUTE FUNCTION ticket_emits();

CREATE TRIGGER ticket_moved AFTER UPDATE OF status ON ticket
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION ticket_emits();
