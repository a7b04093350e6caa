using System.Formats.Tar;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Paas.Receiver.Containers;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Buildpacks;

/// <summary>Makes the image of a draft from its Dockerfile, in the engine; what came of it is in the draft's <see cref="Built"/> and so in the release.</summary>
sealed partial class ImageBuilder(Engine engine, OwnThings own, ImagePuller puller, ImageMaker maker, BuildSettings settings)
{
    /// <summary>PaaSTA's port, for an image that does not say where it listens.</summary>
    const int UsualPort = 8888;

    /// <summary>What the Dockerfile is called that the receiver writes itself.</summary>
    const string OnBase = ".paas-dockerfile";

    /// <summary>True when the draft is to run as containers. Where only its Dockerfile says so and this machine has no engine, it is run otherwise, and the pusher is told.</summary>
    /// <param name="live">What serves now: a project that ran as containers does not silently become something else.</param>
    /// <exception cref="Refusal">It cannot be had here.</exception>
    public async Task<bool> IsWantedAsync(Draft draft, Manifest? declared, Pillar pillar, Manifest? live, LogStream log, CancellationToken ct)
    {
        if (RunsAs.Of(draft.Directory, declared, pillar, out var isSaid) != RunAs.Container)
        {
            return false;
        }

        if (!isSaid && live?.Image is null && !engine.Address.Exists)
        {
            log.Detail($"note: there is a {ManifestReader.Dockerfile}, but no Docker engine at {engine.Address} to build it with");
            return false;
        }

        if (!File.Exists(Path.Combine(draft.Directory, ManifestReader.Dockerfile)) && Wanted(draft.Directory, declared) is { Image: null, Base: null, Make: null } && pillar.Make is null)
        {
            throw new Refusal($"it is to run as a container, but there is no {ManifestReader.Dockerfile} in this repository and it names no image");
        }

        return await engine.WhyNotAsync(ct) is not { } why ? true : throw new Refusal($"it is to run as a container, and {why}");
    }

    /// <summary>Builds the image; the draft says from then on that it runs as containers of exactly this one.</summary>
    /// <exception cref="Refusal">The build failed or took too long.</exception>
    public async Task BuildAsync(Draft draft, Pillar pillar, bool rebuild, LogStream log, CancellationToken ct)
    {
        var wanted = Wanted(draft.Directory, ManifestReader.Find(draft.Directory));
        if (wanted.Image is { } there)
        {
            var fetched = await RememberAsync(draft, await puller.PullAsync(draft.Project, there, log, ct), wanted, log, ct);
            await PinAsync(draft.Project, fetched, ct);
            return;
        }

        var name = NameOf(draft.Project, draft.Commit);
        if (TargetOf(wanted, pillar) is { } target)
        {
            var reaches = await ReachesOutAsync(BuildWishes.Read(draft.Directory, ManifestReader.Find(draft.Directory), pillar.Environment), ct);
            await RememberAsync(draft, await maker.MakeAsync(draft, target, name, pillar, reaches, rebuild, log, ct), wanted, log, ct);
            return;
        }

        log.Title($"Building image {name}");
        var dockerfile = wanted.Base is { } bottom ? new ProjectFile(OnBase, await OnAsync(draft.Project, bottom, log, ct)) : ProjectFile.Read(draft.Directory, ManifestReader.Dockerfile) ?? throw new Refusal($"there is no {ManifestReader.Dockerfile} any more: a step of the project's own removed it");
        var ignore = ProjectFile.Read(draft.Directory, ".dockerignore");
        var wishes = BuildWishes.Read(draft.Directory, ManifestReader.Find(draft.Directory), pillar.Environment);
        var reachesOut = await ReachesOutAsync(wishes, ct);
        var order = new BuildOrder
        {
            Name = name,
            Dockerfile = dockerfile.Name,
            Arguments = Arguments(dockerfile.Text, draft, pillar, wishes, log),
            Labels = own.Labels((OwnThings.ProjectLabel, draft.Project.Key)),
            Network = reachesOut ? own.Network : "none",
            Anew = rebuild,
        };
        var id = await BuildAsync(order, new BuildContext(draft.Directory, new DockerIgnore(ignore?.Text ?? ""), order.Dockerfile, wanted.Base is null ? null : dockerfile.Text), log, ct);
        await RememberAsync(draft, id, wanted, log, ct);
    }

    /// <summary>Whether what is built in the engine has a network; then it is there.</summary>
    async Task<bool> ReachesOutAsync(BuildWishes wishes, CancellationToken ct)
    {
        var reachesOut = settings.Network != BuildNetwork.None && wishes.Network != false;
        if (reachesOut)
        {
            await engine.EnsureNetworkAsync(own.Network, own.Labels(), ct);
        }

        return reachesOut;
    }

    /// <summary>Which target of its Makefile makes the image; null for none.</summary>
    /// <exception cref="Refusal">The pillar names another than PaaSTA's.</exception>
    static string? TargetOf(ContainerSection wanted, Pillar pillar) => (pillar.Make ?? wanted.Make) switch
    {
        null or "none" => null,
        var target when ContainerSection.Targets.Contains(target) => target,
        var other => throw new Refusal($"paas.make: '{LogStream.Harmless(other)}' is none of {string.Join(", ", ContainerSection.Targets)} and none"),
    };

    /// <summary>The tree at the path where it would run here, so that what a build wrote down of its place is right inside too.</summary>
    async Task<string> OnAsync(Project project, string bottom, LogStream log, CancellationToken ct) =>
        $"FROM {(bottom[0] is ':' or '@' ? await puller.PullAsync(project, bottom, log, ct) : bottom)}\nCOPY . {project.Run}/\nWORKDIR {project.Run}\n";

    /// <summary>True when buildpacks make the tree before it is put into an image.</summary>
    public static bool BuildsTree(Draft draft, Manifest? declared) => Wanted(draft.Directory, declared).Base is not null;

    /// <summary>The draft says from then on that it runs as this image.</summary>
    async Task<BuiltImage> RememberAsync(Draft draft, string id, ContainerSection wanted, LogStream log, CancellationToken ct)
    {
        var image = await engine.FindImageAsync(id, ct) ?? throw new EngineException(null, $"the image {id} is gone again");
        var built = new BuiltImage(image.Id, NameOf(draft.Project, draft.Commit), wanted.Port ?? PortOf(image, log), await UserOfAsync(image, ct));
        (Built.Read(draft.Directory) with { Image = built }).Write(draft.Directory);
        log.Detail($"image {image.Id[..Math.Min(19, image.Id.Length)]}, {image.Size / 1_000_000.0:0.#} MB, listens on {built.Port}");
        return built;
    }

    /// <summary>What the tree says of its containers; without a manifest <c>app.json</c> speaks for it.</summary>
    static ContainerSection Wanted(string directory, Manifest? declared)
    {
        if (declared is not null)
        {
            return declared.Container;
        }

        var mistakes = new Mistakes(AppJson.Name);
        var container = AppJson.Read(directory, mistakes).Paas.Container;
        mistakes.Throw();
        return container;
    }

    /// <summary>Digests (hexadecimal) of images of the project's own that its releases name; null when one cannot be read.</summary>
    public static IReadOnlySet<string>? NamedBy(Project project)
    {
        const string By = "@sha256:";
        var digests = new HashSet<string>();
        foreach (var tree in Directory.Exists(project.Deploy) ? Directory.GetDirectories(project.Deploy) : [])
        {
            try
            {
                var wanted = Wanted(tree, ManifestReader.Find(tree));
                digests.UnionWith(((string?[])[wanted.Image, wanted.Base]).OfType<string>().Where(name => name.Contains(By, StringComparison.Ordinal)).Select(name => name[(name.IndexOf(By, StringComparison.Ordinal) + By.Length)..]));
            }
            catch (Exception e) when (e is Refusal or IOException)
            {
                // Whatever it means to say stays.
                return null;
            }
        }

        return digests;
    }

    /// <summary>What a draft's own steps may have written there is not theirs to say: an image is only ever one that was just built for it.</summary>
    public static void RefuseForged(Draft draft)
    {
        if (Built.Read(draft.Directory) is { Image: not null } built)
        {
            (built with { Image = null }).Write(draft.Directory);
        }
    }

    /// <summary>Gives an image names that keep it: PaaSTA's where that is free (R11: a rollback brings it back to this image), and one that is this project's alone.</summary>
    public async Task PinAsync(Project project, BuiltImage image, CancellationToken ct)
    {
        await engine.TagImageAsync(image.Id, own.PinsOf(project.Key), image.Id.Split(':')[^1][..12], ct);
        var (repository, tag) = (image.Name[..image.Name.LastIndexOf(':')], image.Name[(image.Name.LastIndexOf(':') + 1)..]);
        if (repository == $"services-{project.Name}" && (await engine.FindImageAsync(image.Name, ct)) is null)
        {
            await engine.TagImageAsync(image.Id, repository, tag, ct);
        }
    }

    /// <summary>Removes the images of a project that none of these releases' trees names. What is in use, or has a name that others gave it, stays.</summary>
    /// <exception cref="EngineException">The engine does not answer; the next deployment tries again.</exception>
    public async Task PruneAsync(Project project, IEnumerable<string> trees)
    {
        var kept = trees.Select(tree => Built.Read(tree).Image?.Id).OfType<string>().ToHashSet();
        var ours = $"services-{project.Name}:paasta-";
        foreach (var pinned in (await engine.ImagesAsync(own.PinsOf(project.Key))).Where(image => !kept.Contains(image.Id)))
        {
            foreach (var name in (pinned.RepoTags ?? []).Where(name => name.StartsWith(own.PinsOf(project.Key) + ":", StringComparison.Ordinal)))
            {
                await engine.RemoveImageAsync(name);
            }

            if ((pinned.RepoTags ?? []).All(name => name.StartsWith(own.PinsOf(project.Key) + ":", StringComparison.Ordinal)))
            {
                // What was fetched by its digest is still known by that.
                await engine.RemoveImageAsync(pinned.Id);
            }
        }

        foreach (var image in (await engine.ImagesAsync(own.Labels((OwnThings.ProjectLabel, project.Key)))).Where(image => !kept.Contains(image.Id)))
        {
            // The last name that goes takes the image with it; one without any name goes by its id.
            var names = (image.RepoTags ?? []).Where(name => name != "<none>:<none>").ToList();
            foreach (var name in names.Where(name => name.StartsWith(ours, StringComparison.Ordinal)))
            {
                await engine.RemoveImageAsync(name);
            }

            if (names.Count == 0)
            {
                await engine.RemoveImageAsync(image.Id);
            }
        }
    }

    /// <summary>PaaSTA's form of a name (PC-34): <c>services-&lt;project&gt;:paasta-&lt;commit&gt;</c>.</summary>
    public static string NameOf(Project project, string commit) => $"services-{project.Name}:paasta-{commit}";

    async Task<string> BuildAsync(BuildOrder order, BuildContext context, LogStream log, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(settings.Longest);
        var line = new StringBuilder();
        try
        {
            return await engine.BuildAsync(order, context.WriteAsync, Tell, limit.Token);
        }
        catch (BuildFailedException e)
        {
            throw new Refusal($"the image could not be built: {e.Message}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new Refusal($"the image took longer than {CagedBuild.Readable(settings.Longest)} to build; it was ended");
        }
        catch (EngineException e) when (e.Status == System.Net.HttpStatusCode.BadRequest)
        {
            throw new Refusal(e.Message); // a Dockerfile that cannot be read is refused before the build begins
        }
        finally
        {
            if (line.Length > 0)
            {
                log.Output(line.ToString());
            }
        }

        void Tell(string text)
        {
            foreach (var c in text)
            {
                if (c == '\n' || line.Length >= 16 * 1024)
                {
                    var said = line.ToString().TrimEnd('\r', ' ');
                    line.Clear();
                    if (said.Trim().Length > 0)
                    {
                        log.Output(said);
                    }
                }
                else
                {
                    line.Append(c);
                }
            }
        }
    }

    /// <summary>What the Dockerfile declares and the configuration has. Never a secret: arguments stay readable in the image's history.</summary>
    static Dictionary<string, string> Arguments(string dockerfile, Draft draft, Pillar pillar, BuildWishes wishes, LogStream log)
    {
        var known = new Dictionary<string, string>(wishes.Environment) { ["SOURCE_VERSION"] = draft.Commit };
        foreach (var (name, value) in pillar.Environment)
        {
            known[name] = value;
        }

        var given = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in ArgumentLine().Matches(dockerfile).SelectMany(line => line.Groups["names"].Value.Split(' ', '\t')).Select(word => word.Split('=')[0]).Distinct())
        {
            if (known.TryGetValue(name, out var value))
            {
                if (Pillar.LooksSecret(name) || pillar.Secrets.Any(secret => secret.Length >= 4 && value.Contains(secret, StringComparison.Ordinal)))
                {
                    log.Detail($"note: {name} is a secret of the configuration and is not given to the build: everyone who has an image can read its arguments");
                }
                else
                {
                    given[name] = value;
                }
            }
        }

        return given;
    }

    static int PortOf(ImageDetails image, LogStream log)
    {
        var exposed = (image.Config?.ExposedPorts?.Keys ?? []).Where(port => port.EndsWith("/tcp", StringComparison.Ordinal))
            .Select(port => int.Parse(port.Split('/')[0], NumberStyles.None, CultureInfo.InvariantCulture)).Order().ToList();
        if (exposed.Count > 1)
        {
            log.Detail($"note: the image exposes {string.Join(", ", exposed)}; visitors are brought to {exposed[0]}");
        }

        return exposed.Count > 0 ? exposed[0] : UsualPort;
    }

    /// <summary>The number of the user that the image runs as, so that the data can be given to it.</summary>
    async Task<uint> UserOfAsync(ImageDetails image, CancellationToken ct)
    {
        var user = (image.Config?.User ?? "").Split(':')[0];
        if (user.Length == 0 || uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return user.Length == 0 ? 0 : uint.Parse(user, NumberStyles.None, CultureInfo.InvariantCulture);
        }

        // A name: only a container of the image shows its files; this one is never started.
        var container = $"paas-look-{Guid.NewGuid():N}";
        await engine.CreateAsync(container, new ContainerOrder { Image = image.Id, Cmd = ["-"], Labels = own.Labels(), HostConfig = new HostSettings { NetworkMode = "none" } }, ct);
        try
        {
            return await engine.FileAsync(container, "/etc/passwd", ct) is { } passwd && NumberOf(user, passwd) is { } found
                ? found : throw new Refusal($"the image runs as user '{LogStream.Harmless(user)}', whom its /etc/passwd does not know");
        }
        finally
        {
            await engine.RemoveAsync(container, CancellationToken.None);
        }
    }

    static uint? NumberOf(string user, Stream archive)
    {
        using var tar = new TarReader(archive);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is { } data)
            {
                using var lines = new StreamReader(data);
                while (lines.ReadLine() is { } line)
                {
                    if (line.Split(':') is [var name, _, var number, ..] && name == user && uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var found))
                    {
                        return found;
                    }
                }
            }
        }

        return null;
    }

    [GeneratedRegex(@"^[ \t]*ARG[ \t]+(?<names>[^\n#]+)", RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex ArgumentLine();
}
