SET desk.agent = 'ann';

-- One transaction, two tickets, two messages.
BEGIN;
INSERT INTO ticket (id, title) VALUES ('T-1', 'The printer is on fire'), ('T-2', 'No coffee');
COMMIT;

-- Taken back: neither the ticket nor its message was ever there.
BEGIN;
INSERT INTO ticket (id, title) VALUES ('T-3', 'Never mind');
ROLLBACK;

-- Taken back in part.
BEGIN;
UPDATE ticket SET status = 'assigned' WHERE id = 'T-1';
SAVEPOINT second_thought;
UPDATE ticket SET status = 'rejected' WHERE id = 'T-2';
ROLLBACK TO SAVEPOINT second_thought;
UPDATE ticket SET status = 'closed' WHERE id = 'T-1';
COMMIT;

-- Nothing moved, nothing to tell.
UPDATE ticket SET status = 'open' WHERE id = 'T-2';
