using System.Text.Json.Nodes;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.BackingServices;

/// <summary>A kind of resource that projects can ask for (PM-04, PM-08): it makes one and says how to reach it.</summary>
interface IBackingService
{
    /// <summary>What a manifest's <c>plugin</c> says; one of <see cref="Plugins.Services"/>.</summary>
    string Name { get; }

    /// <summary>
    /// How an application reaches its service, made now when it is not there yet. Idempotent: asked at every start. The same project and generated name always mean the same data
    /// (PM-06); what parameters changed is taken over (AMB-13).
    /// </summary>
    /// <param name="generated">A name that no other service has, of letters and digits.</param>
    JsonObject Provide(Project project, Plugin use, string generated);
}
