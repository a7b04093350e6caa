using Paas.Receiver.Projects;
using Paas.Receiver.Releases;

namespace Paas.Receiver.Archives;

/// <summary>Which sources a project's final mode asks, in their order, and what all of them together have.</summary>
sealed class ReleaseSources(ProjectStore projects, ReleaseStore releases)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>Everything wrong with a source as people write it; null when it is <c>env:NAME</c>, an absolute directory, or <c>http(s)://RECEIVER/ENV</c>.</summary>
    public static string? WhyNot(string text) =>
        text.StartsWith("env:", StringComparison.Ordinal) ? EnvironmentName.TryParse(text["env:".Length..], out _) ? null : $"'{text}' names no environment."
        : text.StartsWith('/') ? Path.GetFullPath(text) == text.TrimEnd('/') ? null : $"'{text}' is not the plain path of a directory."
        : ReceiverOf(text) is not null ? null : $"'{text}' is no release source: there are env:NAME, /a/directory and https://RECEIVER/ENV.";

    /// <summary>The newest release that fits, of the first source that has one.</summary>
    /// <param name="only">The one source that was asked for; null is the environment's own, and what the project itself has.</param>
    /// <param name="ownFirst">What the project itself has is as good as what others have.</param>
    /// <param name="fits">Of what the project itself has, what may be taken.</param>
    /// <exception cref="Refusal">None has it, or only a damaged one; says where it was looked for and how to cook it.</exception>
    public async Task<(IReleaseSource Source, Offer Offer)> FindAsync(Project project, WantedRelease wanted, string? only, bool ownFirst, Func<Release, bool> fits, CancellationToken ct)
    {
        var sources = SourcesOf(project, only, ownFirst, fits);
        var damaged = new List<Offer>();
        foreach (var source in sources)
        {
            if (await source.FindAsync(project.Name, wanted, ct) is { } offer)
            {
                if (offer.Trouble is null)
                {
                    return (source, offer);
                }

                damaged.Add(offer);
            }

            (source as IDisposable)?.Dispose();
        }

        if (damaged.Count > 0)
        {
            throw new Refusal(string.Join('\n', damaged.Select(offer => $"the archive of {offer.Title} is damaged and is not unpacked: {offer.Trouble}"))
                + $"\nmake it again there: corpus redeploy {project.Name}");
        }

        if (only is null && await new NeighbourSource(projects, releases, project.Environment).FindAsync(project.Name, wanted, ct) is { } passedOver)
        {
            throw new Refusal($"the only archive of {project.Name} for the {wanted} is that of {passedOver.Title}, and it holds a manual fix that is not wanted: corpus patches {project.Name}");
        }

        var kitchens = sources.Where(source => source is not NeighbourSource || source.Name != project.Environment.Name.Value).Select(source => source.Name).ToList();
        throw new Refusal(kitchens.Count == 0
            ? $"there is no archive of {project.Name} for the {wanted}, and no environment of this receiver cooks any: make one (corpus init_env ENDPOINT staging), or say where archives come from (corpus change_env ENDPOINT {project.Environment.Name} --releases-from …)"
            : $"there is no archive of {project.Name} for the {wanted} in {string.Join(", ", kitchens)}: final mode builds nothing. Cook it first: push the same commit to {project.Name} there, then push here again");
    }

    List<IReleaseSource> SourcesOf(Project project, string? only, bool ownFirst, Func<Release, bool> fits)
    {
        var environment = project.Environment;
        if (only is not null)
        {
            return [Of(only, environment)];
        }

        var own = new NeighbourSource(projects, releases, environment, fits);
        List<IReleaseSource> others = environment.ReleaseSource is { } configured
            ? [Of(configured, environment)]
            : [.. projects.Environments().Where(other => other.Mode == Mode.Cooking && other.Name != environment.Name).Select(other => new NeighbourSource(projects, releases, other))];
        return ownFirst ? [own, .. others] : [.. others, own];
    }

    IReleaseSource Of(string text, Environment asking)
    {
        if (text.StartsWith("env:", StringComparison.Ordinal))
        {
            var name = text["env:".Length..];
            return new NeighbourSource(projects, releases, projects.FindEnvironment(name) ?? throw new Refusal($"there is no environment '{name}' to take releases from"));
        }

        return text.StartsWith('/') ? new DirectorySource(text)
            : ReceiverOf(text) is var (receiver, environment) ? new ReceiverSource(receiver, environment, asking.ReleaseToken, Pause)
            : throw new Refusal(WhyNot(text)!);
    }

    static (Uri Receiver, string Environment)? ReceiverOf(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0 || uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0)
        {
            return null;
        }

        var parts = uri.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return (new Uri(uri.GetLeftPart(UriPartial.Authority) + "/" + string.Concat(parts.SkipLast(1).Select(part => part + "/"))), parts.Length > 0 ? parts[^1] : "-");
    }
}
