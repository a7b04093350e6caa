using Paas.Receiver.Git;

namespace Paas.Receiver.Ssh;

/// <summary>A repository as it is named after the host of an ssh remote: the address, or the path it has on our disk (R5.1, R5.2).</summary>
static class Addresses
{
    /// <param name="path">As git gives it: <c>/hello.git</c>, <c>hello.git</c>, <c>~/hello.git</c>, <c>/srv/projects/hello/git/project</c>.</param>
    /// <param name="root">The default environment's root.</param>
    public static RepositoryAddress? Parse(string path, string root)
    {
        if (OnDisk(path, root.TrimEnd('/')) is { } known)
        {
            return known;
        }

        var plain = path.StartsWith("/~/", StringComparison.Ordinal) ? path[3..] : path.StartsWith("~/", StringComparison.Ordinal) ? path[2..] : path.StartsWith('/') ? path[1..] : path;
        return RepositoryAddress.TryParse(plain);
    }

    static RepositoryAddress? OnDisk(string path, string root)
    {
        if (!path.StartsWith(root + "/", StringComparison.Ordinal))
        {
            return null;
        }

        return path[(root.Length + 1)..].Split('/') switch
        {
            ["projects", var project, "git", var repository] => Of("", project, repository),
            ["environments", var environment, "projects", var project, "git", var repository] => Of(environment + "/", project, repository),
            _ => null,
        };
    }

    static RepositoryAddress? Of(string environment, string project, string repository) =>
        repository is "project" or "project.git" ? RepositoryAddress.TryParse($"{environment}{project}/project.git")
        : repository is "pillar" or "pillar.git" ? RepositoryAddress.TryParse($"{environment}{project}/pillar.git")
        : null;
}
