"""The two configuration files of a one-node Apache Kafka on this machine, with the reason of every number."""

from __future__ import annotations

from pathlib import Path

NODE_ID = 1


def server_properties(*, port: int, controller_port: int, data_dir: Path) -> str:
    """server.properties of a KRaft node that is broker and controller, listening on the loopback only."""
    values = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data_dir,
        # One node: every internal topic has one replica. Few partitions: each is an open file, and start-up time.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 500,
        # After SIGKILL a node waits for its own old session: 12 s to the first connection by default, 3.5 to 4 s so.
        # Shorter would save little, and fence a broker that two busy cores hold up for a moment.
        "broker.session.timeout.ms": 1500,
        "broker.heartbeat.interval.ms": 300,
        # Two cores are shared with sixteen workers.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        # 128 MB of a 768 MB heap by default; 16 MB hold 600 000 keys, a chain has a few thousand.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        # Segments are at most 16 MiB here: an index of 1 MiB is ample, and 10 MiB are mapped twice a partition by default.
        "log.index.size.max.bytes": 1024 * 1024,
        "log.retention.check.interval.ms": 60_000,
        "log.segment.delete.delay.ms": 1000,
    }
    return _ascii("".join(f"{name}={value}\n" for name, value in values.items()))


def _ascii(text: str) -> str:
    """The text for a Java properties file, which is read as Latin-1: everything else as ``\\uXXXX``."""
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def log4j_properties(log_path: Path) -> str:
    """Log to one file, 8 MB at most, and three older ones."""
    return _ascii(f"""status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log_path}
appender.file.filePattern={log_path}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %p %c{{1}} %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=8MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=3
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.broker.name=kafka.server.BrokerServer
logger.broker.level=info
""")
