-- What the pages count themselves, in the transaction that emits: the truth that the statistics have to meet.
CREATE TABLE page_view (
  act_code text   NOT NULL,
  user_id  bigint NOT NULL
);

-- What the consumers make of the messages.
CREATE TABLE activity_stats (
  act_code text,
  user_id  bigint,
  views    bigint NOT NULL,
  PRIMARY KEY (act_code, user_id)
);
