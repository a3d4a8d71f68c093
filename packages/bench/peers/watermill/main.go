// Watermill's forwarder: SQL subscriber (watermill-sql v4, its own PostgreSQL schema and offsets) to Kafka publisher
// (watermill-kafka v3). Settings come from the environment; INIT_ONLY=1 makes the tables and ends.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	_ "github.com/lib/pq"
)

const forwarderTopic = "forwarder_topic"

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	logger := watermill.NewStdLogger(false, false)
	db, err := sql.Open("postgres", os.Getenv("PG_DSN"))
	must(err)

	// Tuned: batches of 1,000 (default 100), a poll every 10 ms (default 1 s).
	sub, err := wsql.NewSubscriber(wsql.BeginnerFromStdSQL(db), wsql.SubscriberConfig{
		ConsumerGroup:    "bench",
		SchemaAdapter:    wsql.DefaultPostgreSQLSchema{SubscribeBatchSize: 1000},
		OffsetsAdapter:   wsql.DefaultPostgreSQLOffsetsAdapter{},
		InitializeSchema: true,
		PollInterval:     10 * time.Millisecond,
	}, logger)
	must(err)
	if os.Getenv("INIT_ONLY") == "1" {
		must(sub.SubscribeInitialize(forwarderTopic))
		return
	}

	// Its default is acks=1, which can lose what was acknowledged; everyone here waits for all replicas.
	config := kafka.DefaultSaramaSyncPublisherConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	pub, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers:               strings.Split(os.Getenv("KAFKA_BROKERS"), ","),
		OverwriteSaramaConfig: config,
		// Its default sets no Kafka key.
		Marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) {
			return m.Metadata.Get("key"), nil
		}),
	}, logger)
	must(err)

	fwd, err := forwarder.NewForwarder(sub, pub, logger, forwarder.Config{ForwarderTopic: forwarderTopic})
	must(err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	must(fwd.Run(ctx))
}
