namespace Paas.Receiver.ServerBackups;

/// <summary>Which paths below a root a backup has, in an order that is right while git goes on: what refers comes before what it refers to.</summary>
/// <param name="Directories">Each without what is in it: for their owners and modes.</param>
/// <param name="Trees">Each with everything in it.</param>
sealed record BackupContents(IReadOnlyList<string> Directories, IReadOnlyList<string> Trees)
{
    // Of one run of the receiver, or taken another way (the database), or made anew.
    static readonly string[] OfTheRun = ["lock", "receiver.db", "receiver.db-wal", "receiver.db-shm", "instances", "ring", "pushes", "orphans"];

    /// <summary>Where a backup puts down what it needs itself, in <c>state</c>.</summary>
    public const string Scratch = ".backup-";

    /// <param name="archives">With the deliverable archives of releases, in <c>releases/</c>.</param>
    public static BackupContents Of(string root, bool archives)
    {
        var (directories, trees) = (new List<string>(), new List<string>());
        AddEnvironment("");
        if (Directory.Exists(Path.Combine(root, "environments")))
        {
            directories.Add("environments");
            foreach (var name in Names(root, "environments").Where(name => name[0] != '.'))
            {
                directories.Add($"environments/{name}");
                AddEnvironment($"environments/{name}/");
            }
        }

        directories.Add("state");
        trees.AddRange(Names(root, "state").Where(name => !OfTheRun.Contains(name) && !name.StartsWith(Scratch, StringComparison.Ordinal)).Select(name => $"state/{name}"));
        return new BackupContents(directories, trees);

        void AddEnvironment(string prefix)
        {
            trees.AddRange(((string[])["pillar", "salt"]).Where(name => Path.Exists(Path.Combine(root, prefix + name))).Select(name => prefix + name));
            if (!Directory.Exists(Path.Combine(root, $"{prefix}projects")))
            {
                return;
            }

            directories.Add($"{prefix}projects");
            foreach (var project in Names(root, $"{prefix}projects").Where(name => !name.StartsWith(".demolished-", StringComparison.Ordinal)).Select(name => $"{prefix}projects/{name}"))
            {
                if (!Directory.Exists(Path.Combine(root, project)))
                {
                    trees.Add(project);
                    continue;
                }

                directories.Add(project);
                AddProject(project);
            }
        }

        void AddProject(string project)
        {
            foreach (var name in Names(root, project).Where(name => name is not ("build" or "run") && (archives || name != "releases")))
            {
                if (name != "git")
                {
                    trees.Add($"{project}/{name}");
                    continue;
                }

                directories.Add($"{project}/git");
                foreach (var repository in Names(root, $"{project}/git").Select(one => $"{project}/git/{one}"))
                {
                    if (!Directory.Exists(Path.Combine(root, repository)) || new FileInfo(Path.Combine(root, repository)).LinkTarget is not null)
                    {
                        trees.Add(repository);
                        continue;
                    }

                    // A ref that moves meanwhile leads to an object that is there by then: refs first.
                    directories.Add(repository);
                    trees.AddRange(Names(root, repository).OrderBy(part => part == "objects").Select(part => $"{repository}/{part}"));
                }
            }
        }
    }

    static IEnumerable<string> Names(string root, string directory) =>
        Directory.EnumerateFileSystemEntries(Path.Combine(root, directory)).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);
}
