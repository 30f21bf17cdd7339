-- What Kamailio's acc module asks for, and the columns of cdr_extra in kamailio.cfg.
CREATE TABLE version (table_name VARCHAR(32) NOT NULL, table_version INTEGER NOT NULL);
INSERT INTO version VALUES ('acc', 5), ('acc_cdrs', 2);
CREATE TABLE acc (
    id INTEGER PRIMARY KEY NOT NULL,
    method VARCHAR(16), from_tag VARCHAR(128), to_tag VARCHAR(128), callid VARCHAR(255),
    sip_code VARCHAR(3), sip_reason VARCHAR(128), time TIMESTAMP WITHOUT TIME ZONE
);
CREATE TABLE acc_cdrs (
    id INTEGER PRIMARY KEY NOT NULL,
    start_time TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    end_time TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    duration REAL NOT NULL,
    call_id VARCHAR(255), from_tag VARCHAR(128), to_tag VARCHAR(128),
    caller_id VARCHAR(64), caller_name VARCHAR(64), callee_id VARCHAR(64),
    sip_code VARCHAR(3)
);
