using System.Net;
using System.Net.Sockets;
using System.Text;
using Paas.Receiver.Containers;
using Paas.Receiver.ImageStore;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Diagnostics;

/// <summary>What others reach: doors that should answer, certificates that end, and containers in an engine that others use too.</summary>
sealed class ServiceChecks(
    DoctorSettings settings, Engine engine, OwnThings own, ProjectStore projects, ReleaseStore releases, RegistryServer registry, Fleet fleet, TimeProvider time)
{
    /// <summary>The registry is started when it is first asked.</summary>
    static readonly TimeSpan RegistryPatience = TimeSpan.FromSeconds(20);

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    static readonly TimeSpan Soon = TimeSpan.FromDays(14);

    public async IAsyncEnumerable<Diagnosis> PortsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var (name, at, greeting) in settings.Doors)
        {
            yield return await WhyNotAsync(at, greeting, ct) is { } why
                ? new Diagnosis("ports", Severity.Problem, $"{name} at {at} does not answer: {why}", "see the receiver's log; another program may have the port (ss -ltnp)")
                : new Diagnosis("ports", Severity.Fine, $"{name} answers at {at}");
        }
    }

    public async IAsyncEnumerable<Diagnosis> CertificatesAsync()
    {
        await Task.CompletedTask;
        foreach (var (name, end) in settings.Certificates())
        {
            var left = end - time.GetUtcNow();
            yield return left <= TimeSpan.Zero ? new Diagnosis("certificates", Severity.Problem, $"the certificate for {name} ended on {end:yyyy-MM-dd}", "renew it; with PAAS_ACME_DIRECTORY the receiver does")
                : left < Soon ? new Diagnosis("certificates", Severity.Warning, $"the certificate for {name} ends on {end:yyyy-MM-dd}", "renew it; with PAAS_ACME_DIRECTORY the receiver does")
                : new Diagnosis("certificates", Severity.Fine, $"{name} until {end:yyyy-MM-dd}");
        }
    }

    /// <summary>Containers with this receiver's mark of releases that it does not know.</summary>
    public async IAsyncEnumerable<Diagnosis> ContainersAsync(Examination examination, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        if (await engine.WhyNotAsync(ct) is { } why)
        {
            yield return new Diagnosis("containers", Severity.Note, why);
            yield break;
        }

        var orphans = (await engine.ContainersAsync(own.Labels(), ct)).Where(container => !IsKnown(container)).ToList();
        foreach (var orphan in orphans)
        {
            var said = $"container {orphan.Id[..Math.Min(12, orphan.Id.Length)]} belongs to no release that is known here";
            if (examination.Fix)
            {
                await engine.RemoveAsync(orphan.Id, ct);
                yield return new Diagnosis("containers", Severity.Mended, $"{said}: removed");
            }
            else
            {
                yield return new Diagnosis("containers", Severity.Warning, said, "corpus doctor --fix removes it");
            }
        }

        if (orphans.Count == 0)
        {
            yield return new Diagnosis("containers", Severity.Fine, $"the Docker engine answers at {engine.Address}; every container of ours has its release");
        }
    }

    /// <summary>The registry, where images are kept or one is configured, and the web server that many share, where it serves any.</summary>
    public async IAsyncEnumerable<Diagnosis> BackgroundAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        if (registry.IsUsed)
        {
            yield return await RegistryTroubleAsync(ct) is { } why
                ? new Diagnosis("registry", Severity.Problem, why, "images cannot be pushed or pulled; see the receiver's log, and PAAS_REGISTRY")
                : new Diagnosis("registry", Severity.Fine, "the registry answers");
        }

        var (sites, silent) = await fleet.WebServerAsync();
        if (sites > 0)
        {
            yield return silent.Count > 0
                ? new Diagnosis("nginx", Severity.Problem, $"nginx does not serve {silent.Count} of its {sites} sites: ports {string.Join(", ", silent)}", $"see {Path.Combine(settings.State, "web")}; corpus restart PROJECT adds its site anew")
                : new Diagnosis("nginx", Severity.Fine, $"nginx serves its {sites} sites");
        }
    }

    async Task<string?> RegistryTroubleAsync(CancellationToken ct)
    {
        if (registry.WhyNot is { } missing)
        {
            return missing;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(RegistryPatience);
        try
        {
            using var answer = await registry.AskAsync(client => client.GetAsync(new Uri("v2/", UriKind.Relative), limit.Token), limit.Token);
            return answer.IsSuccessStatusCode ? null : $"the registry answers {(int)answer.StatusCode}";
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return $"the registry does not answer: {e.Message}";
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return $"the registry says nothing within {RegistryPatience.TotalSeconds:0} s";
        }
    }

    bool IsKnown(ContainerSummary container) =>
        container.Labels is { } labels && labels.TryGetValue(OwnThings.ProjectLabel, out var key) && projects.Find(key) is { } project
        && (!labels.TryGetValue(OwnThings.ReleaseLabel, out var release) || (ReleaseId.TryParse(release) is { } id && releases.Find(project, id) is not null));

    static async Task<string?> WhyNotAsync(IPEndPoint at, string? greeting, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Patience);
        using var socket = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            var loopback = at.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback;
            await socket.ConnectAsync(IPAddress.Any.Equals(at.Address) || IPAddress.IPv6Any.Equals(at.Address) ? new IPEndPoint(loopback, at.Port) : at, limit.Token);
            if (greeting is null)
            {
                return null;
            }

            var (buffer, have) = (new byte[Encoding.ASCII.GetByteCount(greeting)], 0);
            while (have < buffer.Length && await socket.ReceiveAsync(buffer.AsMemory(have), limit.Token) is > 0 and var read)
            {
                have += read;
            }

            return Encoding.ASCII.GetString(buffer, 0, have) == greeting ? null : "something else answers there";
        }
        catch (SocketException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return $"nothing within {Patience.TotalSeconds:0} s";
        }
    }
}
