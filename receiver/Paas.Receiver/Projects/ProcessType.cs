namespace Paas.Receiver.Projects;

/// <summary>One kind of process a release runs, as declared. Immutable.</summary>
/// <param name="Command">A line for <c>sh -c</c>, run in the instance's copy of the release.</param>
/// <param name="Web">It listens on <c>PORT</c> and gets routes.</param>
sealed record ProcessType(string Name, string Command, int Quantity, bool Web);
