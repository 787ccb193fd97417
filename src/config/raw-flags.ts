/** The flags that the user really gave, unread: texts are checked in `load.ts`, as those from elsewhere are. */
export interface RawFlags {
  readonly config?: string;
  readonly databaseUrl?: string;
  readonly table?: string;
  readonly queue?: string;
  readonly queueBackend?: string;
  readonly queueName?: string;
  readonly task?: string;
  readonly brokerUrl?: string;
  readonly worker?: string;
  readonly workerStop?: string;
  readonly workerStart?: string;
  readonly workerReady?: string;
  readonly autoRestart?: boolean;
  readonly scenario?: string;
  readonly strikeAt?: string;
  readonly files?: string;
  readonly fileMode?: string;
  readonly processingTimeout?: string;
  readonly terminalTimeout?: string;
  readonly settle?: string;
  readonly witnesses?: boolean;
  readonly control?: string;
  readonly observe?: string;
  readonly hold?: boolean;
  readonly repeat?: string;
  /** Names with a comma in between; several `--reporter` flags are joined. */
  readonly reporter?: string;
  readonly outputDir?: string;
  readonly keep?: boolean;
  readonly allowRemote?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** Read by the console, not a setting of the run. */
  readonly color?: boolean;
}
