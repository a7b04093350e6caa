namespace Paas.Receiver.Processes;

/// <summary>Who the processes of one project are: a user and a group of the same number, known by name inside the project's cage only.</summary>
sealed record UnixUser(uint Number, string Name);
