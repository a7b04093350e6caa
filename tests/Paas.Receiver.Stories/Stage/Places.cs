namespace Paas.Receiver.Stage;

/// <summary>Where the checkout is, found from where the tests were built.</summary>
static class Places
{
    public static string Top { get; } = FindTop();

    /// <summary>git's hooks and the supervisor.</summary>
    public static string Hooks => Path.Combine(Top, "hooks");

    /// <summary>One of the applications in <c>tests/projects</c>.</summary>
    public static string Sample(string name)
    {
        var directory = Path.Combine(Top, "tests", "projects", name);
        return Directory.Exists(directory) ? directory : throw new DirectoryNotFoundException($"tests/projects has no '{name}'");
    }

    /// <summary>A new empty directory that only this user can enter.</summary>
    public static string NewScratch(string what) => Directory.CreateTempSubdirectory($"paas-{what}-").FullName;

    static string FindTop()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Paas.Receiver.sln")))
        {
            directory = directory.Parent ?? throw new DirectoryNotFoundException("The tests were not built inside the checkout.");
        }

        return directory.FullName;
    }
}
