PRAGMA application_id = 1246579783;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, target TEXT NOT NULL,
    op TEXT NOT NULL, decision TEXT NOT NULL, run TEXT NOT NULL, time TEXT NOT NULL,
    body TEXT NOT NULL
);
INSERT INTO "changes" VALUES(1,'C01mcc5rm0000b12syp','lesson','L1','add','applied','R0','2027-01-15T08:00:00.000+00:00','{"format":1,"id":"C01mcc5rm0000b12syp","kind":"lesson","target":"L1","op":"add","reason":"r","before":null,"after":{"id":"L1","version":1,"kind":"fact","text":"Knives lie on countertops.","situation":"","scope":{"env":"","task_type":"","user":"","project":""},"source":{"trajectory":"","first_step":0,"last_step":0,"quote":"","task_keys":[],"origin":"","said":""},"trust":"self","status":"candidate","valid_from":"","valid_to":"","supersedes":[],"contradicts":[],"sources":[],"pinned":false},"parents":[],"evidence":[],"decision":"applied","actor":"agent","batch":"","time":"2027-01-15T08:00:00.000+00:00"}');
CREATE TABLE exposures (
    seq INTEGER PRIMARY KEY, episode TEXT NOT NULL, lesson TEXT NOT NULL,
    shown INTEGER NOT NULL, same_task INTEGER NOT NULL, time TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (episode, lesson)
);
INSERT INTO "exposures" VALUES(1,'R0','L1',1,0,'2027-01-15T08:00:00.000+00:00','{"episode":"R0","lesson":"L1","version":1,"first_step":0,"shown":true,"probability":1.0,"same_task":false,"similarity":0.0,"model":"","adapter":"","policy":"","outcome":null}');
INSERT INTO "exposures" VALUES(2,'R1','L1',0,0,'2027-01-15T08:00:00.000+00:00','{"episode":"R1","lesson":"L1","version":1,"first_step":0,"shown":false,"probability":1.0,"same_task":false,"similarity":0.0,"model":"","adapter":"","policy":"","outcome":null}');
INSERT INTO "exposures" VALUES(3,'R2','L1',1,0,'2027-01-15T08:00:00.000+00:00','{"episode":"R2","lesson":"L1","version":1,"first_step":0,"shown":true,"probability":1.0,"same_task":false,"similarity":0.0,"model":"","adapter":"","policy":"","outcome":null}');
INSERT INTO "exposures" VALUES(4,'R3','L1',0,0,'2027-01-15T08:00:00.000+00:00','{"episode":"R3","lesson":"L1","version":1,"first_step":0,"shown":false,"probability":1.0,"same_task":false,"similarity":0.0,"model":"","adapter":"","policy":"","outcome":null}');
INSERT INTO "exposures" VALUES(5,'R4','L1',1,0,'2027-01-15T08:00:00.000+00:00','{"episode":"R4","lesson":"L1","version":1,"first_step":0,"shown":true,"probability":1.0,"same_task":false,"similarity":0.0,"model":"","adapter":"","policy":"","outcome":null}');
CREATE TABLE lessons (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT, status TEXT, env TEXT,
    task_type TEXT, words TEXT, same TEXT, newest INTEGER NOT NULL, added TEXT NOT NULL,
    generation INTEGER NOT NULL, body TEXT
);
INSERT INTO "lessons" VALUES(1,'L1','fact','candidate','','','knives lie on countertops.
','b472ea5683369b69a591e5458d3409bc',1,'2027-01-15T08:00:00.000+00:00',1,'{"id": "L1", "version": 1, "kind": "fact", "text": "Knives lie on countertops.", "situation": "", "scope": {"env": "", "task_type": "", "user": "", "project": ""}, "source": {"trajectory": "", "first_step": 0, "last_step": 0, "quote": "", "task_keys": [], "origin": "", "said": ""}, "trust": "self", "status": "candidate", "valid_from": "", "valid_to": "", "supersedes": [], "contradicts": [], "sources": [], "pinned": false}');
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('generation',1);
INSERT INTO "meta" VALUES('origin','218e147ca2f91be4');
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, env TEXT NOT NULL, task TEXT NOT NULL,
    status TEXT NOT NULL, began TEXT NOT NULL, updated TEXT NOT NULL, body TEXT NOT NULL
);
INSERT INTO "runs" VALUES(1,'R0','household','t0','done','2027-01-15T08:00:00.000+00:00','2027-01-15T08:00:00.000+00:00','{"id":"R0","env":"household","task":"t0","goal":"g","status":"done","pid":0,"spec":{},"error":"","began":"2027-01-15T08:00:00.000+00:00","updated":"2027-01-15T08:00:00.000+00:00"}');
INSERT INTO "runs" VALUES(2,'R1','household','t1','done','2027-01-15T08:00:00.000+00:00','2027-01-15T08:00:00.000+00:00','{"id":"R1","env":"household","task":"t1","goal":"g","status":"done","pid":0,"spec":{},"error":"","began":"2027-01-15T08:00:00.000+00:00","updated":"2027-01-15T08:00:00.000+00:00"}');
INSERT INTO "runs" VALUES(3,'R2','household','t2','failed','2027-01-15T08:00:00.000+00:00','2027-01-15T08:00:00.000+00:00','{"id":"R2","env":"household","task":"t2","goal":"g","status":"failed","pid":0,"spec":{},"error":"the model broke","began":"2027-01-15T08:00:00.000+00:00","updated":"2027-01-15T08:00:00.000+00:00"}');
INSERT INTO "runs" VALUES(4,'R3','household','t3','done','','2027-01-15T08:00:00.000+00:00','{"id":"R3","env":"household","task":"t3","goal":"g","status":"done","pid":0,"spec":{},"error":"","began":"","updated":"2027-01-15T08:00:00.000+00:00"}');
INSERT INTO "runs" VALUES(5,'R4','household','t4','done','2027-01-15T08:00:00.000+00:00','2027-01-15T08:00:00.000+00:00','{"id":"R4","env":"household","task":"t4","goal":"g","status":"done","pid":0,"spec":{},"error":"","began":"2027-01-15T08:00:00.000+00:00","updated":"2027-01-15T08:00:00.000+00:00"}');
CREATE TABLE trajectories (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, env TEXT NOT NULL, task_key TEXT NOT NULL,
    split TEXT NOT NULL, arm TEXT NOT NULL, thread TEXT NOT NULL,
    passed INTEGER, failed INTEGER NOT NULL, body TEXT NOT NULL
);
INSERT INTO "trajectories" VALUES(1,'R0','household','k0','train','default','',1,0,'{"format":1,"id":"R0","env":"household","task":"t0","task_key":"k0","task_type":"pick","split":"train","goal":"g","seed":0,"arm":"default","thread":"","model":"","config":"","first_observation":"","steps":[],"messages":[],"verdicts":[],"score":{"value":1.0,"passed":true,"parts":{},"note":""},"usage":{"calls":0,"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0,"seconds":0.0,"cost":0.0},"stop":"","error":"","attempts":1,"lessons":[],"began":"","ended":""}');
INSERT INTO "trajectories" VALUES(2,'R1','household','k1','train','default','',0,0,'{"format":1,"id":"R1","env":"household","task":"t1","task_key":"k1","task_type":"clean","split":"train","goal":"g","seed":0,"arm":"default","thread":"","model":"","config":"","first_observation":"","steps":[],"messages":[],"verdicts":[],"score":{"value":0.0,"passed":false,"parts":{},"note":""},"usage":{"calls":0,"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0,"seconds":0.0,"cost":0.0},"stop":"","error":"","attempts":1,"lessons":[],"began":"","ended":""}');
INSERT INTO "trajectories" VALUES(3,'R2','household','k2','train','default','',NULL,1,'{"format":1,"id":"R2","env":"household","task":"t2","task_key":"k2","task_type":"pick","split":"train","goal":"g","seed":0,"arm":"default","thread":"","model":"","config":"","first_observation":"","steps":[],"messages":[],"verdicts":[],"score":null,"usage":{"calls":0,"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0,"seconds":0.0,"cost":0.0},"stop":"","error":"the model broke","attempts":1,"lessons":[],"began":"","ended":""}');
INSERT INTO "trajectories" VALUES(4,'R3','household','k3','val','default','',1,0,'{"format":1,"id":"R3","env":"household","task":"t3","task_key":"k3","task_type":"heat","split":"val","goal":"g","seed":0,"arm":"default","thread":"","model":"","config":"","first_observation":"","steps":[],"messages":[],"verdicts":[],"score":{"value":1.0,"passed":true,"parts":{},"note":""},"usage":{"calls":0,"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0,"seconds":0.0,"cost":0.0},"stop":"","error":"","attempts":1,"lessons":[],"began":"","ended":""}');
INSERT INTO "trajectories" VALUES(5,'R4','household','k4','train','default','',NULL,0,'{"format":1,"id":"R4","env":"household","task":"t4","task_key":"k4","task_type":"","split":"train","goal":"g","seed":0,"arm":"default","thread":"","model":"","config":"","first_observation":"","steps":[],"messages":[],"verdicts":[],"score":null,"usage":{"calls":0,"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0,"seconds":0.0,"cost":0.0},"stop":"","error":"","attempts":1,"lessons":[],"began":"","ended":""}');
CREATE INDEX runs_by_status ON runs (status, seq);
CREATE INDEX trajectories_by_task ON trajectories (env, task_key);
CREATE INDEX trajectories_by_thread ON trajectories (thread) WHERE thread <> '';
CREATE INDEX changes_by_target ON changes (target, kind, seq);
CREATE INDEX changes_by_run ON changes (run) WHERE run <> '';
CREATE INDEX lessons_by_generation ON lessons (generation);
CREATE INDEX lessons_by_same ON lessons (same) WHERE same IS NOT NULL;
CREATE INDEX exposures_by_lesson ON exposures (lesson);
CREATE VIEW outcomes AS
    SELECT runs.id AS episode, CASE
        WHEN runs.status = 'failed' OR trajectories.failed THEN 0
        ELSE trajectories.passed END AS outcome
    FROM runs LEFT JOIN trajectories ON trajectories.id = runs.id;
CREATE TRIGGER trajectories_stay BEFORE UPDATE ON trajectories
    BEGIN SELECT RAISE(ABORT, 'trajectories are append-only'); END;
CREATE TRIGGER trajectories_last BEFORE DELETE ON trajectories
    BEGIN SELECT RAISE(ABORT, 'trajectories are append-only'); END;
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
CREATE TRIGGER changes_last BEFORE DELETE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
COMMIT;
