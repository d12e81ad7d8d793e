CREATE TABLE IF NOT EXISTS `erpstream_guard` (
  `target_table` VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'table that holds the rows of the document',
  `document` VARCHAR(190) COLLATE utf8mb4_bin NOT NULL COMMENT 'value of its document column, as text',
  `version` BIGINT NOT NULL COMMENT 'version of the record that was written last',
  `raw_sequence` BIGINT UNSIGNED NOT NULL COMMENT 'its sequence in RAW',
  `flow_revision` BIGINT UNSIGNED NOT NULL COMMENT 'revision of the flow that mapped it',
  `flow` VARCHAR(64) NOT NULL COMMENT 'name of that flow',
  `written_at` DATETIME(3) NOT NULL COMMENT 'when, UTC',
  PRIMARY KEY (`target_table`, `document`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='erpstream: how new the rows of each document are';
