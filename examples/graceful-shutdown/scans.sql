-- Nothing here is unique: a scan that was handled twice would be there twice. Both times are of this server's clock.
CREATE TABLE scan (
  message_id uuid NOT NULL,
  parcel     integer NOT NULL,
  station    text NOT NULL,
  emitted_at timestamptz NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
