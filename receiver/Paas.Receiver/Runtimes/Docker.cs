using System.Globalization;
using System.Text;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Runtimes;

/// <summary>How containers are made and ended: confined, on a network of the receiver's own, marked as its own, reached on loopback only.</summary>
sealed class Docker(Engine engine, OwnThings own, FleetSettings settings)
{
    /// <summary>What common images' entry points need to become another user and to own their files; everything else is dropped.</summary>
    static readonly string[] Capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

    /// <summary>What nearly every program writes to, where its image cannot be.</summary>
    static readonly Dictionary<string, string> Scratch = new() { ["/tmp"] = "rw,nosuid,nodev,size=64m", ["/run"] = "rw,nosuid,nodev,size=16m" };

    public Engine Engine => engine;

    /// <summary>Everything about a new container; the data belongs to whom it runs as, and its place is free.</summary>
    /// <param name="command">Given to the image's entry point; null for the image's own.</param>
    /// <param name="port">On loopback; null for one that does not listen.</param>
    /// <param name="place">Null for what runs once.</param>
    /// <param name="living">Instances that are known: another one at the same place is left from a time when the engine was away.</param>
    public async Task<ContainerOrder> OrderAsync(
        Launch launch, LaunchImage image, string id, IReadOnlyList<string>? command, int? port, (string Type, int Number)? place, CageLimits limits, IReadOnlyList<string> living)
    {
        var labels = own.Labels([(OwnThings.ProjectLabel, launch.Project.Key), (OwnThings.ReleaseLabel, launch.Release.Value), (OwnThings.InstanceLabel, id), .. PlaceLabels(place)]);
        if (place is not null)
        {
            await FreeAsync(labels, living);
        }

        await engine.EnsureNetworkAsync(own.Network, own.Labels());
        Directory.CreateDirectory(launch.Project.Data);
        if (image.User != 0 && Kernel.IsRoot)
        {
            Ownership.Give(launch.Project.Data, image.User);
        }

        var inside = port is null ? (int?)null : image.Port;
        return new ContainerOrder
        {
            Image = image.Id,
            Cmd = command,
            Env = [.. Variables.Of(launch, id, run: "", inside, place?.Type, limits).Select(variable => $"{variable.Key}={variable.Value}")],
            Labels = labels,
            ExposedPorts = inside is null ? null : new Dictionary<string, object> { [$"{inside}/tcp"] = new { } },
            HostConfig = new HostSettings
            {
                NetworkMode = own.Network,
                PortBindings = inside is null ? null : new Dictionary<string, IReadOnlyList<PortBinding>> { [$"{inside}/tcp"] = [new PortBinding("127.0.0.1", port!.Value.ToString(CultureInfo.InvariantCulture))] },
                Mounts = [.. launch.Writable.Prepend(launch.Project.Data).Select(shared => new MountPoint(shared, shared))],
                Memory = limits.Memory,
                MemorySwap = limits.Memory,
                MemoryReservation = image.Reservation is { } reserved ? Math.Min(reserved, limits.Memory ?? reserved) : null,
                ReadonlyRootfs = image.ReadOnly,
                Tmpfs = image.ReadOnly ? Scratch : null,
                NanoCpus = limits.Cpus is { } cpus ? (long)(cpus * 1_000_000_000) : null,
                PidsLimit = limits.Processes,
                CapAdd = Capabilities,
                LogConfig = new LogSettings("local", new Dictionary<string, string> { ["max-size"] = $"{settings.ContainerLog}m", ["max-file"] = "2" }),
            },
        };
    }

    /// <summary>Runs a container to its end and hands on what it prints. Returns its exit code, <see cref="CagedRun.TookTooLong"/> at the limit. Nothing of it is left when this returns.</summary>
    public async Task<int> RunOnceAsync(string name, ContainerOrder order, Func<bool, ReadOnlyMemory<byte>, Task> tell, TimeSpan limit, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        over.CancelAfter(limit);
        try
        {
            await engine.CreateAsync(name, order, over.Token);
            await engine.StartAsync(name, over.Token);
            await foreach (var piece in engine.OutputAsync(name, since: null, times: false, over.Token))
            {
                await tell(piece.IsError, piece.Bytes);
            }

            await engine.WaitAsync(name, over.Token);
            return (await engine.FindContainerAsync(name, over.Token))?.State.ExitCode ?? throw new EngineException(null, "the container is gone before it was asked how it ended");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return CagedRun.TookTooLong;
        }
        finally
        {
            await engine.RemoveAsync(name, CancellationToken.None);
        }
    }

    /// <summary>SIGTERM, time, and then it is removed whatever it does.</summary>
    public async Task<bool> EndAsync(string name, TimeSpan grace, TimeProvider time)
    {
        if (grace > TimeSpan.Zero && await engine.FindContainerAsync(name) is { State.Running: true } running)
        {
            await engine.SignalAsync(name, running.Config?.StopSignal ?? "SIGTERM");
            using var over = new CancellationTokenSource(grace, time);
            try
            {
                await engine.WaitAsync(name, over.Token);
            }
            catch (OperationCanceledException)
            {
                // It had its time.
            }
        }

        await engine.RemoveAsync(name);
        return true;
    }

    /// <summary>Removes every container of ours but these.</summary>
    public Task<bool> RemoveOthersAsync(IReadOnlyCollection<string> living) => RemoveAsync(own.Labels(), living);

    /// <summary>Asks the engine where it is there; where it does not answer, nothing is known of containers: the default, and no failure.</summary>
    public async Task<T?> TryAsync<T>(Func<Engine, Task<T>> ask)
    {
        try
        {
            return engine.Address.Exists ? await ask(engine) : default;
        }
        catch (EngineException)
        {
            return default;
        }
    }

    Task FreeAsync(IReadOnlyDictionary<string, string> labels, IReadOnlyCollection<string> living) =>
        RemoveAsync(labels.Where(label => label.Key != OwnThings.InstanceLabel).ToDictionary(), living);

    async Task<bool> RemoveAsync(IReadOnlyDictionary<string, string> labels, IReadOnlyCollection<string> living)
    {
        foreach (var container in await engine.ContainersAsync(labels))
        {
            if (!living.Contains(container.Labels?.GetValueOrDefault(OwnThings.InstanceLabel) ?? ""))
            {
                await engine.RemoveAsync(container.Id);
            }
        }

        return true;
    }

    static IEnumerable<(string, string)> PlaceLabels((string Type, int Number)? place) =>
        place is { } at ? [(OwnThings.TypeLabel, at.Type), (OwnThings.NumberLabel, at.Number.ToString(CultureInfo.InvariantCulture))] : [];

    /// <summary>Both outputs of a container, line by line.</summary>
    public sealed class Lines(Action<string> tell)
    {
        readonly List<byte> output = [];
        readonly List<byte> error = [];

        public Task Add(bool isError, ReadOnlyMemory<byte> bytes)
        {
            var held = isError ? error : output;
            foreach (var b in bytes.Span)
            {
                if (b == '\n' || held.Count >= LineReader.Longest)
                {
                    Tell(held);
                }

                if (b != '\n')
                {
                    held.Add(b);
                }
            }

            return Task.CompletedTask;
        }

        /// <summary>What had no end of line.</summary>
        public void End()
        {
            foreach (var held in (List<byte>[])[output, error])
            {
                if (held.Count > 0)
                {
                    Tell(held);
                }
            }
        }

        void Tell(List<byte> held)
        {
            tell(Encoding.UTF8.GetString([.. held]).TrimEnd('\r'));
            held.Clear();
        }
    }
}
