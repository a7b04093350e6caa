namespace Paas.Receiver.GitHttp;

/// <summary>Git's smart HTTP protocol under <c>/git/</c>, and nothing of the dumb one.</summary>
static class GitHttpEndpoints
{
    public static IEndpointConventionBuilder Map(IEndpointRouteBuilder routes) =>
        routes.Map("/git/{**path}", (HttpContext context, GitDoor door) => door.ServeAsync(context));
}
