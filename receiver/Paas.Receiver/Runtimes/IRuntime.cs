using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// A strategy of serving (RT-05 to RT-09): an instance is always a supervised process in a cage of its own, and a runtime says what that process does and who listens
/// on the instance's port: the process itself, or a daemon that several instances share.
/// </summary>
interface IRuntime
{
    /// <summary>What <see cref="Served.By"/> and the instance's directory call it.</summary>
    string Name { get; }

    /// <summary>The line of shell that the instance's process is.</summary>
    string CommandOf(ProcessType type);

    /// <summary>Sees to it that the port is served; what is returned stands for the instance from here on.</summary>
    /// <param name="process">Just started, and ended by the caller when this fails.</param>
    /// <exception cref="IOException">It cannot be served; says why.</exception>
    Task<IInstance> ServeAsync(Instance process, Place place);

    /// <summary>The same for an instance that outlived the receiver; null when it cannot go on as it is.</summary>
    Task<IInstance?> TryAdoptAsync(Instance process);

    /// <summary>After the last <see cref="TryAdoptAsync"/>: what nobody took over is cleared away.</summary>
    Task SettleAsync();

    /// <summary>Where an instance is and what it serves.</summary>
    /// <param name="Type">With <see cref="ProcessType.Served"/> where a daemon serves it.</param>
    /// <param name="Run">Where its process finds the release.</param>
    /// <param name="Temporary">The host's path of what its process sees as <c>/tmp</c>.</param>
    sealed record Place(Launch Launch, ProcessType Type, string Run, string Temporary);
}

/// <summary>Strategy 1 (RT-05): the process listens itself.</summary>
sealed class OwnProcess : IRuntime
{
    public const string Usual = "process";

    public string Name => Usual;

    public string CommandOf(ProcessType type) => type.Command;

    public Task<IInstance> ServeAsync(Instance process, IRuntime.Place place) => Task.FromResult<IInstance>(process);

    public Task<IInstance?> TryAdoptAsync(Instance process) => Task.FromResult<IInstance?>(process);

    public Task SettleAsync() => Task.CompletedTask;
}
