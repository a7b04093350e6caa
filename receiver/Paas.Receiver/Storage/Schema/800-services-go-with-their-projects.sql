-- What CloudFlow's clients made of a project goes in the transaction that forgets the project, and sessions with their environment, whoever destroys them.
CREATE TRIGGER services_go_with_their_project AFTER DELETE ON projects BEGIN
    DELETE FROM service_checks WHERE environment = OLD.environment AND project = OLD.name;
    DELETE FROM service_definitions WHERE environment = OLD.environment AND project = OLD.name;
    DELETE FROM service_events WHERE environment = OLD.environment AND project = OLD.name;
END;

CREATE TRIGGER sessions_go_with_their_environment AFTER DELETE ON environments BEGIN
    DELETE FROM environment_sessions WHERE environment = OLD.name;
END;

DELETE FROM service_checks WHERE NOT EXISTS (SELECT 1 FROM projects WHERE projects.environment = service_checks.environment AND projects.name = service_checks.project);
DELETE FROM service_definitions WHERE NOT EXISTS (SELECT 1 FROM projects WHERE projects.environment = service_definitions.environment AND projects.name = service_definitions.project);
DELETE FROM service_events WHERE NOT EXISTS (SELECT 1 FROM projects WHERE projects.environment = service_events.environment AND projects.name = service_events.project);
DELETE FROM environment_sessions WHERE environment NOT IN (SELECT name FROM environments)
