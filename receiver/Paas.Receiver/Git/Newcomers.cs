using Paas.Receiver.Projects;

namespace Paas.Receiver.Git;

/// <summary>A first push makes its project; when nothing of the push is accepted, the project is taken back.</summary>
/// <remarks>Several first pushes of one project may run at once: the last one to leave decides.</remarks>
sealed class Newcomers(ProjectStore projects, GitProgram git)
{
    readonly Lock gate = new();
    readonly Dictionary<string, int> visits = [];
    readonly HashSet<string> made = [];

    /// <summary>The project, made when it is new. Call <see cref="Leave"/> afterwards, whatever happened.</summary>
    public (Project Project, bool IsNew) Enter(EnvironmentName? environment, ProjectName name)
    {
        lock (gate)
        {
            var isNew = projects.Find(environment, name) is null;
            var project = projects.FindOrCreate(environment, name);
            visits[project.Key] = visits.GetValueOrDefault(project.Key) + 1;
            return (project, (isNew && made.Add(project.Key)) || made.Contains(project.Key));
        }
    }

    public void Leave(Project project)
    {
        lock (gate)
        {
            visits[project.Key]--;
            if (visits[project.Key] == 0)
            {
                visits.Remove(project.Key);
                if (made.Remove(project.Key))
                {
                    ForgetIfEmpty(project);
                }
            }
        }
    }

    /// <summary>For a project that a receiver which was killed had just made.</summary>
    public void ForgetIfEmpty(string key)
    {
        if (projects.Find(key) is { } project)
        {
            ForgetIfEmpty(project);
        }
    }

    void ForgetIfEmpty(Project project)
    {
        if (HoldsNothing(project.ProjectRepository) && HoldsNothing(project.PillarRepository))
        {
            projects.ForgetIfUnused(project);
        }
    }

    bool HoldsNothing(string path) => new GitRepository(path, git) is var repository && (!repository.Exists || (repository.IsEmpty && !new LargeFiles(path).Any));
}
