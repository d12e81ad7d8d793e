CREATE TABLE IF NOT EXISTS `docs` (
  `code` VARCHAR(190) COLLATE utf8mb4_bin NOT NULL,
  `line` BIGINT NOT NULL,
  `i32` INT NULL,
  `u64` BIGINT UNSIGNED NULL,
  `flag` TINYINT(1) NULL,
  `ratio` DOUBLE NULL,
  `raw` BLOB NULL,
  `unit_price` DECIMAL(18,4) NOT NULL,
  `note` VARCHAR(255) NULL,
  `at` DATETIME NULL,
  `fine` DATETIME(3) NULL,
  `day` DATE NULL,
  `stamp` TIMESTAMP NULL,
  `as_text` VARCHAR(30) NULL,
  `state` VARCHAR(64) NULL,
  `long` TEXT NULL,
  PRIMARY KEY (`code`, `line`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='it''s a \\ test';
